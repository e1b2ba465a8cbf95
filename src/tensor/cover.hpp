#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "tensor/box.hpp"

/// Whether boxes cover a shape exactly. CoverSum tells whether they do; many ranks can add it up, and none needs to
/// know all boxes. Given all boxes, find_overlap and find_hole tell where they do not.
namespace holdfast {

/// A number per box. Boxes inside `global` cover it exactly if their numbers add up to the number of whole(global).
/// Sums are taken modulo the prime p = 2^61 - 1. An empty box has the number 0, a box without dimensions 1.
///
/// The number of a box is the product over the dimensions d of h(d, begin) - h(d, end), where h is a hash that is taken
/// as random. Expanded, it is a signed sum over the corners of the box. In the sum over several boxes, the coefficient
/// of each point is the mixed difference, at that point, of the sum of the boxes' indicator functions. The mixed
/// difference determines this sum. So if the cover is not exact, the two numbers differ by a polynomial in the h that
/// is not zero and whose degree is at most the number of dimensions D. For random h its value is zero with a
/// probability of at most D / p (Schwartz-Zippel lemma), below 2e-17.
class CoverSum {
 public:
  CoverSum() = default;
  explicit CoverSum(const Box& box) noexcept;

  CoverSum& operator+=(CoverSum other) noexcept;
  bool operator==(const CoverSum&) const = default;

 private:
  std::uint64_t value_ = 0;
};

/// The first two boxes that share an element, by their indices, if there are any. Takes about N log N steps.
[[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> find_overlap(std::span<const Box> boxes);

/// A box inside `global` that `boxes` leave uncovered, if there is one. `boxes` must lie inside `global` and not
/// overlap.
[[nodiscard]] std::optional<Box> find_hole(const Shape& global, std::span<const Box> boxes);

}  // namespace holdfast
