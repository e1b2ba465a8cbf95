#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "tensor/box.hpp"

/// Do boxes cover a shape exactly? find_overlap and find_hole say where they do not, given all boxes; CoverSum says whether, and
/// can be added up by many ranks, none of which knows all boxes.
namespace holdfast {

/// A number for each box, such that boxes inside of `global` cover it exactly if their sum is that of whole(global). Sums are
/// taken modulo the prime p = 2^61 - 1. An empty box counts 0, and one without dimensions 1.
///
/// Of a box it is the product over the dimensions d of h(d, begin) - h(d, end), where h is a hash, as if drawn by chance.
/// Multiplied out, it is a signed sum over the corners, and that of several boxes has at each point what their indicator
/// functions together have as their mixed difference there. The mixed difference determines the function. So where the cover is
/// not exact, the sums differ by a polynomial in the h that is not zero, of a degree of at most the number of dimensions D, and
/// for h drawn by chance that is zero with a probability of at most D / p (Schwartz and Zippel): below 2e-17.
class CoverSum {
 public:
  CoverSum() = default;
  explicit CoverSum(const Box& box) noexcept;

  CoverSum& operator+=(CoverSum other) noexcept;
  bool operator==(const CoverSum&) const = default;

 private:
  std::uint64_t value_ = 0;
};

/// Positions of two boxes that share an element, if there are any. This and find_hole take about N log N steps for boxes that are
/// cut along one dimension, and stay far below N squared for grids. Empty boxes must be left out.
[[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> find_overlap(std::span<const Box> boxes);

/// A box of `global` that none of `boxes` covers, if there is one. The boxes lie inside `global` and do not overlap.
[[nodiscard]] std::optional<Box> find_hole(const Shape& global, std::span<const Box> boxes);

}  // namespace holdfast
