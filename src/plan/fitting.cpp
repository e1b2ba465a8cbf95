#include "plan/fitting.hpp"

#include <algorithm>

namespace holdfast::plan {
namespace {

/// An arena that has to grow gets 1 / head_room_part more, rounded up to the granule.
constexpr std::uint64_t head_room_part = 8;
constexpr std::uint64_t head_room_granule = 64 << 10;

std::uint64_t with_head_room(std::uint64_t bytes) noexcept {
  const std::uint64_t wanted = bytes + bytes / head_room_part;
  return (wanted + head_room_granule - 1) / head_room_granule * head_room_granule;
}

ArenaSize largest_size(const Demand& node, std::uint64_t left) noexcept {
  return node.roomy <= left ? ArenaSize::roomy : node.kept <= left ? ArenaSize::kept : ArenaSize::exact;
}

}  // namespace

Demand demand_of(std::uint64_t exact, std::uint64_t held, std::uint64_t other) noexcept {
  const bool grows = held != 0 && held < exact;
  return {.exact = exact,
          .kept = std::max(exact, held),
          .roomy = grows ? with_head_room(exact) : std::max(exact, held),
          .held = held + other,
          .other = other,
          .other_kept = std::max(exact, other)};
}

int arenas_that_fit(const Demand& node, std::uint64_t limit) noexcept {
  if (node.exact > limit) return 0;
  return node.exact > limit - node.exact ? 1 : 2;
}

Fitting fit(const Demand& node, std::uint64_t limit, int arenas, bool other_busy) noexcept {
  const bool keeps_other = arenas == 2 && node.exact + node.other_kept <= limit;
  std::uint64_t others = keeps_other ? node.other_kept : arenas == 2 ? node.exact : 0;
  if (other_busy && !keeps_other) {
    if (arenas == 0 || node.exact + node.other > limit) return {.other_in_the_way = true};
    others = std::max(others, node.other);
  }
  return {.close_other = !keeps_other && !other_busy, .size = largest_size(node, limit - std::min(limit, others))};
}

std::uint64_t bytes_of(const Demand& rank, ArenaSize size) noexcept {
  return size == ArenaSize::roomy ? rank.roomy : size == ArenaSize::kept ? rank.kept : rank.exact;
}

}  // namespace holdfast::plan
