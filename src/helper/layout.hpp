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
  static void fields(auto& c, auto& s) { c(s.rank, s.owned, s.pieces); }
};

}  // namespace holdfast::helper
