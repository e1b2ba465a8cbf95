#pragma once

#include <vector>

#include "base/codec.hpp"
#include "plan/plan.hpp"

namespace holdfast::plan {

/// An item and whose it is.
struct RankItem {
  int rank = -1;
  Item part;
  Bytes start = {};  ///< of a value that must be the same on all ranks: its first bytes, most_start_bytes at most

  static void fields(auto& codec, auto& self) { codec(self.rank, self.part, self.start); }
};

/// Enough to tell what a value is.
inline constexpr std::size_t most_start_bytes = 128;

/// Given all ranks' items of one key (key_of their names), and marks of groups (Kind::group) that have it, in any order, of which
/// their tallies say that they do not go together: throws Error(plan_conflict), naming tensor and ranks, where kinds, dtypes,
/// global shapes or values disagree, boxes overlap or leave a hole, or a name is both a dataset and a group. Boxes that are
/// exactly the same count as replicas. Empty boxes cover nothing. Pure. Error(internal) if it finds nothing.
[[noreturn]] void explain_conflict(std::vector<RankItem> items);

}  // namespace holdfast::plan
