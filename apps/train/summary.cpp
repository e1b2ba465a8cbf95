#include "summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <numeric>
#include <string_view>

namespace train {

namespace {

/// A ratio to a shorter memcpy says nothing.
constexpr double shortest_compared_s = 1e-3;

template <class Entry, class Field>
double median(const std::vector<Entry>& entries, Field field) {
  std::vector<double> values;
  for (const auto& entry : entries) values.push_back(std::invoke(field, entry));
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

Summary::Summary(const Group& group, std::vector<std::span<const std::byte>> memory)
    : group_(group), memory_(std::move(memory)) {
  copy_.resize(std::transform_reduce(memory_.begin(), memory_.end(), std::size_t{0}, std::plus<>{},
                                     [](auto part) { return part.size(); }));
  time_memcpy();
}

double Summary::time_memcpy() {
  group_.barrier();
  const auto start = std::chrono::steady_clock::now();
  auto* to = copy_.data();
  for (const auto part : memory_) {
    if (part.empty()) continue;
    std::memcpy(to, part.data(), part.size());
    to += part.size();
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return group_.max(taken.count());
}

void Summary::add(const holdfast::SaveStats& stats, double memcpy_s) {
  entries_.push_back({stats, group_.max(stats.blocked_s), memcpy_s});
}

std::string Summary::text() const {
  if (entries_.empty()) return {};
  const auto& first = entries_.front();
  // The first save stands apart, where there are others.
  const std::vector<Entry> later(entries_.begin() + (entries_.size() > 1 ? 1 : 0), entries_.end());
  const double blocked_s = median(later, &Entry::blocked_s), memcpy_s = median(later, &Entry::memcpy_s);
  const double commit_s = median(later, [](const Entry& entry) { return entry.stats.commit_s; });
  const auto bytes = static_cast<double>(first.stats.bytes);

  std::string text =
      fmt::format("\nSaves: {} on {} ranks; times are medians without the first save, of the slowest rank",
                  entries_.size(), group_.size());
  const auto row = [&text](std::string_view what, const std::string& value) {
    text += fmt::format("\n  {:<24} {:>12}", what, value);
  };
  const auto milliseconds = [](double seconds) { return fmt::format("{:.3f} ms", seconds * 1e3); };
  row("bytes per save", fmt::format("{:.1f} MB", bytes / 1e6));
  row("blocked, first save", milliseconds(first.blocked_s));
  row("blocked", milliseconds(blocked_s));
  row("memcpy of the same bytes", milliseconds(memcpy_s));
  if (memcpy_s >= shortest_compared_s) row("blocked / memcpy", fmt::format("{:.2f}", blocked_s / memcpy_s));
  row("time to commit", milliseconds(commit_s));
  row("bytes/s to commit", fmt::format("{:.1f} MB/s", bytes / commit_s / 1e6));
  return text;
}

}  // namespace train
