#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "plan/plan.hpp"
#include "plan/replicas.hpp"

namespace holdfast::plan {

/// A part of a dataset, as some ranks hold it, and one or several of them will save it.
struct Share {
  std::uint64_t dataset = 0;  ///< key_of its name
  Box box;
  std::uint64_t bytes = 0;
  std::vector<Holder> holders;  ///< by rank
};

/// Which of its holders saves each share: shares with one holder are given; the others, largest first, go to the holder
/// with the least load. Replicas above `split_bytes` are cut into parts of that size, larger ones where there would be more
/// parts than holders. `load` has the bytes that each rank saves anyway (add_fixed_load() of all ranks); `owner` is the rank that
/// assigns, one of `owners` that do so at the same time, each its own shares. Pure and deterministic. Returns the pieces of each
/// rank that has any (arena offsets not yet given).
[[nodiscard]] std::map<int, std::vector<Piece>> assign(const std::vector<Share>& shares, std::vector<std::uint64_t> load,
                                                       int owner, int owners, std::uint64_t split_bytes);

/// Where a piece of `bytes` is placed in an arena that is filled up to `end`.
[[nodiscard]] std::uint64_t arena_offset_after(std::uint64_t end, std::uint64_t bytes) noexcept;

/// Gives every piece its place in the arena, in the order of items, each aligned to 64 bytes; returns the arena's bytes.
std::uint64_t place(std::vector<Piece>& pieces);

}  // namespace holdfast::plan
