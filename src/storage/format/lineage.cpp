#include "storage/format/lineage.hpp"

#include <algorithm>
#include <tuple>

namespace holdfast::storage {
namespace {

/// Sequences left free for files whose header cannot be read: more saves than any run fails to commit in a row.
constexpr std::int64_t unknown_sequences = std::int64_t{1} << 20;

/// Newer files of this run that an old file waits for, and the most old files that wait.
constexpr int most_waited_for = 2;

bool contains(const SequenceRange& range, std::int64_t sequence) {
  return range.first <= sequence && sequence <= range.last;
}

bool contain(const std::vector<SequenceRange>& ranges, std::int64_t sequence) {
  const auto after = std::ranges::upper_bound(ranges, sequence, {}, &SequenceRange::first);
  return after != ranges.begin() && contains(*std::prev(after), sequence);
}

/// By sequence, then step: a copied file may have the sequence of another one.
bool is_before(const Entry& a, const Entry& b) {
  return std::tuple(a.lineage.sequence, a.step) < std::tuple(b.lineage.sequence, b.step);
}

bool is_unread(const Entry& entry) {
  return !entry.is_read();
}

}  // namespace

std::int64_t sequence_of_step(std::int64_t step) {
  return std::min(step, most_sequence - 1) - most_sequence;
}

bool is_possible(const Lineage& lineage) {
  if (lineage.sequence < 1 || lineage.sequence > most_sequence) return false;
  if (lineage.parent >= lineage.sequence || lineage.parent < -most_sequence) return false;
  std::int64_t before = -most_sequence - 1;
  for (const SequenceRange& range : lineage.abandoned) {
    if (range.first <= before || range.last < range.first) return false;
    before = range.last;
  }
  return before < lineage.sequence;
}

const Entry* head_of(const std::vector<Entry>& entries) {
  const Entry* head = nullptr;
  for (const Entry& entry : entries)
    if (entry.is_read() && (head == nullptr || is_before(*head, entry))) head = &entry;
  return head;
}

std::vector<Entry> line_of(const std::vector<Entry>& entries) {
  std::vector<Entry> line;
  const Entry* head = head_of(entries);
  for (const Entry& entry : entries)
    if (entry.is_read() && !contain(head->lineage.abandoned, entry.lineage.sequence)) line.push_back(entry);
  std::ranges::sort(line, is_before);
  return line;
}

std::vector<std::int64_t> abandoned_steps(const std::vector<Entry>& entries) {
  std::vector<std::int64_t> steps;
  const Entry* head = head_of(entries);
  for (const Entry& entry : entries)
    if (entry.is_read() && contain(head->lineage.abandoned, entry.lineage.sequence)) steps.push_back(entry.step);
  return steps;
}

std::int64_t newest_sequence(const std::vector<Entry>& entries) {
  const Entry* head = head_of(entries);
  const std::int64_t known = head == nullptr ? 0 : std::max<std::int64_t>(head->lineage.sequence, 0);
  return std::ranges::any_of(entries, is_unread) ? known + unknown_sequences : known;
}

Lineage next_lineage(const std::vector<Entry>& entries, const Lineage& last, std::int64_t sequence,
                     std::int64_t parent) {
  const auto found = std::ranges::find_if(
      entries, [&](const Entry& entry) { return entry.is_read() && entry.lineage.sequence == parent; });
  Lineage next{.sequence = sequence,
               .parent = parent,
               .abandoned = found != entries.end() ? found->lineage.abandoned : last.abandoned};
  std::erase_if(next.abandoned, [&](const SequenceRange& range) { return range.last >= parent; });
  if (parent + 1 < sequence) next.abandoned.push_back({parent + 1, sequence - 1});
  return next;
}

Lineage trimmed(const std::vector<Entry>& entries, Lineage lineage) {
  if (std::ranges::any_of(entries, is_unread)) return lineage;  // such a file may lie in any range
  std::erase_if(lineage.abandoned, [&](const SequenceRange& range) {
    return std::ranges::none_of(entries, [&](const Entry& entry) { return contains(range, entry.lineage.sequence); });
  });
  return lineage;
}

std::vector<std::int64_t> to_prune(const std::vector<Entry>& entries, int keep_last, std::int64_t keep_every) {
  std::vector<std::int64_t> given_up;
  if (keep_last <= 0) return given_up;
  const std::vector<Entry> line = line_of(entries);
  int newer = 0, newer_own = 0;
  for (auto entry = line.rbegin(); entry != line.rend(); ++entry) {
    const bool is_newest_own = entry->is_own && newer_own == 0;  // files that somebody added may count as newer
    const bool is_kept_anyway = is_newest_own || (keep_every > 0 && entry->step % keep_every == 0);
    const bool is_replaced = newer_own >= std::min(keep_last, most_waited_for) || newer - keep_last >= most_waited_for;
    if (newer >= keep_last && is_replaced && !is_kept_anyway) given_up.push_back(entry->step);
    ++newer;
    newer_own += entry->is_own;
  }
  std::ranges::sort(given_up);
  return given_up;
}

}  // namespace holdfast::storage
