#pragma once

#include <map>
#include <span>
#include <vector>

#include "plan/plan.hpp"

namespace holdfast::plan {

/// An item and whose it is.
struct RankItem {
  int rank = -1;
  std::uint32_t item = 0;  ///< position in that rank's list
  Item part;
};

/// A part of a merged dataset that still has a choice of who saves it.
struct Share {
  std::uint32_t dataset = 0;  ///< position in Merged::datasets
  Box box;
  std::uint64_t bytes = 0;
  std::vector<std::pair<int, std::uint32_t>> holders;  ///< (rank, item) of those that hold it, by rank
};

struct Merged {
  std::vector<Dataset> datasets;
  std::vector<Share> shares;
};

/// Merges the items of the names that one rank owns, given in any order. Pure. Throws Error(plan_conflict), naming
/// tensor and ranks, where kinds, dtypes, global shapes or values disagree, boxes overlap or leave a hole, or a name is
/// both a dataset and a group. Boxes that are exactly the same count as replicas. Empty boxes cover nothing.
[[nodiscard]] Merged merge(std::vector<RankItem> items);

/// Which of its holders saves each share: shares with one holder are given; the others, largest first, go to the holder
/// with the least load. Replicas above `split_bytes` are cut into parts of that size, larger ones where there would be more
/// parts than holders. `load` has the bytes that
/// each rank saves anyway (all owners' single-holder shares) and `owners` says how many ranks assign at the same time.
/// Pure and deterministic. Returns the pieces of each rank that has any (arena offsets not yet given).
[[nodiscard]] std::map<int, std::vector<Piece>> assign(const Merged& merged, std::vector<std::uint64_t> load, int owner,
                                                       int owners, std::uint64_t split_bytes);

/// Where a piece of `bytes` is placed in an arena that is filled up to `end`.
[[nodiscard]] std::uint64_t arena_offset_after(std::uint64_t end, std::uint64_t bytes) noexcept;

/// Gives every piece its place in the arena, in the order of items, each aligned to 64 bytes; returns the arena's bytes.
std::uint64_t place(std::vector<Piece>& pieces);

}  // namespace holdfast::plan
