#pragma once

#include <cstdint>
#include <vector>

#include "plan/plan.hpp"

namespace holdfast::helper {

/// One rank's part of a plan as its helper gets it (transport::Plan::content).
struct RankLayout {
  std::int32_t rank = -1;
  std::vector<plan::Dataset> owned;
  std::vector<plan::Piece> pieces;
  std::uint32_t waves = 1;  ///< of each save
  static void fields(auto& c, auto& s) { c(s.rank, s.owned, s.pieces, s.waves); }
};

/// Throws Error(communication) for what no rank in its right mind sends: types that are none, shapes that cannot be.
void check(const RankLayout& layout);
/// Throws Error(communication) unless every piece lies in an arena of this size.
void check_fits(const RankLayout& layout, std::uint64_t arena_bytes);

}  // namespace holdfast::helper
