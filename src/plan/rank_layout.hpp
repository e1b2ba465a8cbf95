#pragma once

#include <cstdint>
#include <vector>

#include "plan/plan.hpp"

namespace holdfast::plan {

/// One rank's part of a plan as its helper gets it (transport::Plan::content).
struct RankLayout {
  std::int32_t rank = -1;
  std::vector<plan::Dataset> owned;
  std::vector<plan::Piece> pieces;
  std::uint32_t waves = 1;  ///< waves of each save
  static void fields(auto& c, auto& s) { c(s.rank, s.owned, s.pieces, s.waves); }
};

/// Throws Error(communication) for a layout that no rank makes: bad names, unknown types, impossible shapes, pieces in
/// a wave that never comes.
void check(const RankLayout& layout);
/// Throws Error(communication) unless every piece lies in an arena of this size.
void check_fits(const RankLayout& layout, std::uint64_t arena_bytes);

}  // namespace holdfast::plan
