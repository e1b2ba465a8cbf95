#include "base/copy_choice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>

namespace holdfast {
namespace {

/// Trials begin at block 0, then at `soon` times 1, 2, 4, …, and from `later` on at each multiple of `later`.
constexpr std::uint32_t soon = 1024, later = 16384;
constexpr std::uint64_t unit_bytes = 1 << 20;

std::uint32_t trial_before(std::uint32_t turn) noexcept {
  return turn < soon ? 0 : turn < later ? std::bit_floor(turn) : turn / later * later;
}

struct Times {
  std::uint32_t median = 0;
  std::uint32_t spread = 0;  ///< of the middle half (interquartile range)
};

/// Median and spread; sorts `times`.
Times summary(std::span<std::uint32_t> times) noexcept {
  std::ranges::sort(times);
  const std::size_t quarter = times.size() / 4;
  return {times[times.size() / 2], times[times.size() - 1 - quarter] - times[quarter]};
}

template <class Rounds>
Times times_of(const Rounds& all, std::size_t way, std::size_t ways, std::size_t rounds) noexcept {
  std::array<std::uint32_t, std::tuple_size_v<Rounds>> its{};
  for (std::size_t round = 0; round < rounds; ++round)
    its[round] = all[round * ways + way].load(std::memory_order_relaxed);
  return summary(std::span(its).first(rounds));
}

bool is_faster(const Times& one, const Times& other) noexcept {
  return one.median + (one.spread + other.spread) / 2 < other.median;
}

}  // namespace

CopyChoice::Trial CopyChoice::next() noexcept {
  const std::uint32_t turn = turns_.fetch_add(1, std::memory_order_relaxed), number = turn - trial_before(turn);
  if (ways_.size() == 1 || number >= blocks_of_trial()) return {.way = way()};
  return {ways_[number % ways_.size()], true, number};
}

bool CopyChoice::note(Trial trial, std::size_t bytes, std::uint64_t nanoseconds) noexcept {
  const std::uint64_t time = nanoseconds * unit_bytes / std::max<std::uint64_t>(bytes, 1);
  constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max() / 4;  // sums do not overflow
  times_[trial.number].store(static_cast<std::uint32_t>(std::min(time, most)), std::memory_order_relaxed);
  return noted_.fetch_add(1, std::memory_order_acq_rel) % blocks_of_trial() == blocks_of_trial() - 1 && decide();
}

bool CopyChoice::decide() noexcept {
  const auto times = [&](std::size_t way) { return times_of(times_, way, ways_.size(), rounds); };
  const auto current = static_cast<std::size_t>(std::ranges::find(ways_, way()) - ways_.begin());
  std::size_t best = current;
  for (std::size_t way = 0; way < ways_.size(); ++way)
    if (is_faster(times(way), times(current)) && times(way).median < times(best).median) best = way;
  way_.store(ways_[best], std::memory_order_relaxed);
  return !tried_.exchange(true, std::memory_order_relaxed) || best != current;
}

std::string CopyChoice::in_words() const {
  std::string words(name_of(way()));
  for (std::size_t way = 0; is_tried() && way < ways_.size(); ++way)
    words +=
        fmt::format("{} {} {:.1f} GB/s", way == 0 ? " of" : ",", name_of(ways_[way]),
                    static_cast<double>(unit_bytes) / std::max(times_of(times_, way, ways_.size(), rounds).median, 1u));
  return words;
}

}  // namespace holdfast
