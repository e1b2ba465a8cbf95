#pragma once

#include <cstdint>
#include <holdfast/tensor.hpp>
#include <optional>
#include <string>

namespace holdfast {

/// An n-dimensional box of elements in a tensor's global shape. A box without dimensions is the one element of a
/// scalar.
struct Box {
  Shape offset;
  Shape extent;

  [[nodiscard]] std::size_t dimensions() const noexcept { return extent.size(); }
  bool operator==(const Box&) const = default;
  auto operator<=>(const Box&) const = default;
  static void fields(auto& codec, auto& self) { codec(self.offset, self.extent); }
};

/// The box that covers `global`.
[[nodiscard]] Box whole(const Shape& global);
/// Product of the extents; 1 without dimensions. It must not overflow (see checked_volume).
[[nodiscard]] std::uint64_t volume(const Shape& extent) noexcept;
/// The volume; none if the volume times `element_bytes` does not fit 63 bits.
[[nodiscard]] std::optional<std::uint64_t> checked_volume(const Shape& extent, std::uint64_t element_bytes) noexcept;
[[nodiscard]] bool empty(const Shape& extent) noexcept;
[[nodiscard]] inline bool empty(const Box& box) noexcept {
  return empty(box.extent);
}
/// Whether the box lies inside `global`: same number of dimensions, no overflow.
[[nodiscard]] bool inside(const Shape& offset, const Shape& extent, const Shape& global) noexcept;
[[nodiscard]] inline bool inside(const Box& box, const Shape& global) noexcept {
  return inside(box.offset, box.extent, global);
}
/// Whether the boxes, which have the same number of dimensions, share an element.
[[nodiscard]] bool overlap(const Box& a, const Box& b) noexcept;
/// The common part; none if it is empty.
[[nodiscard]] std::optional<Box> intersect(const Box& a, const Box& b);
/// The same box with its offset relative to `origin`, which is not beyond the box's offset in any dimension.
[[nodiscard]] Box relative(Box box, const Shape& origin);
/// "[0:64, 32:64]" (half-open ranges per dimension); "[]" for a scalar.
[[nodiscard]] std::string to_string(const Box& box);
/// "(64, 32)"; "()" for a scalar.
[[nodiscard]] std::string to_string(const Shape& shape);
/// Strides in elements of a densely packed row-major box.
[[nodiscard]] std::vector<std::int64_t> packed_strides(const Shape& extent);
/// Cuts a box along its leading dimensions into at most `pieces` boxes of nearly equal volume, in row-major order:
/// their packed bytes, concatenated, are those of the packed box. Makes fewer pieces if there are fewer elements;
/// returns an empty box as it is.
[[nodiscard]] std::vector<Box> split(const Box& box, std::size_t pieces);

}  // namespace holdfast
