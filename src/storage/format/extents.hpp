#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "plan/plan.hpp"
#include "tensor/strided.hpp"

/// Where the bytes of chunks lie in the file. Pure.
namespace holdfast::storage {

/// Bytes of one element in the file. An element of a string is one byte.
[[nodiscard]] std::uint64_t element_bytes(const plan::Dataset& dataset) noexcept;

/// Bytes that are contiguous in the file and in memory.
struct Extent {
  std::uint64_t offset = 0;  ///< position in the file
  const std::byte* data = nullptr;
  std::uint64_t bytes = 0;

  [[nodiscard]] std::uint64_t end() const noexcept { return offset + bytes; }
  /// The memory of the byte at file offset `position`, which lies in the extent.
  [[nodiscard]] const std::byte* at(std::uint64_t position) const noexcept { return data + (position - offset); }
};

/// A dataset and its place in the file, contiguous from `address` on.
struct Placed {
  const plan::Dataset& dataset;
  std::uint64_t address = 0;

  /// File offset of the element at `position`.
  [[nodiscard]] std::uint64_t offset_of(const Shape& position) const;
  /// The box as strided memory at address 0, with the strides of the file.
  [[nodiscard]] StridedMemory strided(const Box& box) const;
  /// Whether the box is one extent.
  [[nodiscard]] bool is_contiguous(const Box& box) const;
  /// The packed bytes of a box as extents, in file order.
  [[nodiscard]] std::vector<Extent> extents(const Box& box, const std::byte* packed) const;
};

}  // namespace holdfast::storage
