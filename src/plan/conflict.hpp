#pragma once

#include <vector>

#include "base/codec.hpp"
#include "plan/plan.hpp"

namespace holdfast::plan {

/// An item and the rank that holds it.
struct RankItem {
  int rank = -1;
  Item part;
  Bytes start = {};  ///< first bytes, at most most_start_bytes, of a value that must be the same on all ranks

  static void fields(auto& codec, auto& self) { codec(self.rank, self.part, self.start); }
};

/// Enough to show a value in an error.
inline constexpr std::size_t most_start_bytes = 128;

/// Explains why the summaries of one key (key_of(name)) do not fit together. `items` are all ranks' items of that key,
/// and marks of the groups (DatasetKind::group) that have it, in any order. Throws Error(plan_conflict), naming tensor
/// and ranks, where kinds, dtypes, global shapes or values disagree, boxes overlap or leave a hole, a name is both a
/// dataset and a group, or two names have the same key. Boxes that are exactly the same count as replicas. Empty boxes
/// cover nothing. Throws Error(internal) if it finds no conflict. Pure.
[[noreturn]] void explain_conflict(std::vector<RankItem> items);

}  // namespace holdfast::plan
