#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "plan/plan.hpp"
#include "storage/storage.hpp"
#include "tensor/strided.hpp"

/// Where the bytes of chunks lie in the file. Pure.
namespace holdfast::storage {

/// Bytes of one element in the file; a string counts bytes.
[[nodiscard]] std::uint64_t element_bytes(const plan::Dataset& dataset) noexcept;

/// Bytes that follow each other in the file and in memory.
struct Extent {
  std::uint64_t offset = 0;  ///< in the file
  const std::byte* data = nullptr;
  std::uint64_t bytes = 0;

  [[nodiscard]] std::uint64_t end() const noexcept { return offset + bytes; }
  /// The memory that goes to `position`, which is in the extent.
  [[nodiscard]] const std::byte* at(std::uint64_t position) const noexcept { return data + (position - offset); }
};

/// A dataset as it lies in the file, contiguously from `address` on.
struct Placed {
  const plan::Dataset& dataset;
  std::uint64_t address = 0;

  /// Where the element at `position` is.
  [[nodiscard]] std::uint64_t offset_of(const Shape& position) const;
  /// The box as strided memory that begins at address 0: its distances are those in the file.
  [[nodiscard]] StridedMemory strided(const Box& box) const;
  /// Is the box one extent?
  [[nodiscard]] bool is_contiguous(const Box& box) const;
  /// The packed bytes of a box, cut where they do not follow each other in the file; in the order of the file.
  [[nodiscard]] std::vector<Extent> extents(const Box& box, const std::byte* packed) const;
};

}  // namespace holdfast::storage
