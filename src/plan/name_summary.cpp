#include "plan/name_summary.hpp"

#include <algorithm>
#include <unordered_set>

#include "base/checksum.hpp"
#include "base/intern_table.hpp"

namespace holdfast::plan {
namespace {

constexpr std::uint64_t ranks_disagree = 0, group_definition = 1;

std::uint64_t definition_of(const Item& item) {
  Bytes bytes;
  bytes.reserve(256);  // instead of growing field by field
  Encoder encoder(std::move(bytes));
  const bool is_one_number = is_per_rank_kind(item.kind) && item.box.dimensions() == 0;
  encoder(item.name, item.kind, item.dtype, item.global, item.content, is_one_number);
  return checksum(encoder.take()) | 2;  // differs from the two constants above
}

void add(NameSummary& sum, const NameSummary& summary) {
  if (sum.definition != summary.definition) sum.definition = ranks_disagree;
  sum.cover += summary.cover;
  sum.count += summary.count;
  sum.ranks += summary.ranks;
}

}  // namespace

NameSummary summary_of(const Item& item) {
  NameSummary summary{.key = key_of(item.name), .definition = definition_of(item), .cover = {}, .wanted = {}};
  if (is_per_rank_kind(item.kind)) {
    summary.count = volume(item.box.extent);
    summary.ranks = 1;
  } else {
    summary.cover = CoverSum(item.box);
    summary.wanted = CoverSum(whole(item.global));
  }
  return summary;
}

NameSummary summary_of_group(std::string_view name) noexcept {
  return {.key = key_of(name), .definition = group_definition, .cover = {}, .wanted = {}};
}

std::vector<std::string_view> groups_of(std::span<const Item> items) {
  std::unordered_set<std::string_view> groups;
  for (const Item& item : items) {
    const std::string_view name = item.name;
    // From the innermost group outwards: the parents of a known group are known.
    for (std::size_t end = name.rfind('/'); end != name.npos && groups.insert(name.substr(0, end)).second;)
      end = name.rfind('/', end - 1);
  }
  return {groups.begin(), groups.end()};
}

SummaryHop::SummaryHop(std::vector<std::vector<NameSummary>> arrived) : arrived_(std::move(arrived)) {
  std::size_t count = 0;
  for (const std::vector<NameSummary>& list : arrived_) count += list.size();
  numbers_.reserve(count);
  InternTable names(count);
  for (const std::vector<NameSummary>& list : arrived_)
    for (const NameSummary& summary : list) {
      const std::uint32_t number = names.intern(summary.key, [](std::uint32_t) { return true; });
      numbers_.push_back(number);
      if (number == united_.size())
        united_.push_back(summary);
      else
        add(united_[number], summary);
    }
  answers_.resize(united_.size());
}

std::vector<std::vector<NameSummary>> SummaryHop::forward(int ranks, int peers,
                                                          const std::function<int(int rank)>& next_hop) {
  std::vector<std::vector<NameSummary>> out(static_cast<std::size_t>(peers));
  sent_to_.resize(out.size());
  for (auto& list : out) list.reserve(2 * united_.size() / out.size());
  for (std::uint32_t i = 0; i < united_.size(); ++i) {
    const auto owner = static_cast<int>(united_[i].key % static_cast<std::uint64_t>(ranks));
    const auto place = static_cast<std::size_t>(next_hop(owner));
    out[place].push_back(united_[i]);
    sent_to_[place].push_back(i);
  }
  return out;
}

void SummaryHop::receive(const std::vector<std::vector<CountAnswer>>& from_peers) {
  for (std::size_t place = 0; place < sent_to_.size(); ++place)
    for (std::size_t i = 0; i < sent_to_[place].size(); ++i) answers_[sent_to_[place][i]] = from_peers.at(place).at(i);
}

std::optional<std::uint64_t> SummaryHop::conflict() const {
  std::optional<std::uint64_t> least;
  for (const NameSummary& summary : united_)
    if (summary.definition == ranks_disagree || summary.cover != summary.wanted)
      least = std::min(summary.key, least.value_or(summary.key));
  return least;
}

void SummaryHop::answer() {
  for (std::size_t i = 0; i < united_.size(); ++i) answers_[i].total = united_[i].count;
}

std::vector<std::vector<CountAnswer>> SummaryHop::answers() const {
  std::vector<std::vector<CountAnswer>> out;
  std::vector<CountAnswer> next = answers_;
  auto number = numbers_.begin();
  for (const std::vector<NameSummary>& list : arrived_) {
    std::vector<CountAnswer>& answers = out.emplace_back();
    for (const NameSummary& summary : list) {
      CountAnswer& answer = next[*number++];
      answers.push_back(answer);
      answer.before += summary.count;
      answer.ranks_before += summary.ranks;
    }
  }
  return out;
}

}  // namespace holdfast::plan
