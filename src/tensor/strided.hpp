#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor/box.hpp"

namespace holdfast {

/// A box in memory. `data` points to its first element; strides are in bytes, one per dimension.
struct StridedMemory {
  std::byte* data = nullptr;
  Shape extent;
  std::vector<std::int64_t> stride_bytes;
  std::size_t element_bytes = 1;
};

/// The memory of `box`, which must lie inside the view's box.
[[nodiscard]] StridedMemory memory_of(const TensorView& view, const Box& box);

/// Whether the strides of the box, and the distances between its elements, can be counted in bytes without overflow.
[[nodiscard]] bool has_countable_strides(const Shard& shard, std::size_t element_bytes) noexcept;

/// Whether two elements of the box share memory. Its strides must be countable (has_countable_strides).
[[nodiscard]] bool overlaps_itself(const Shard& shard);

/// The memory at `packed`, which holds `box` densely in row-major order.
[[nodiscard]] StridedMemory packed_memory(std::byte* packed, const Box& box, std::size_t element_bytes);

/// The memory of `box`, whose offset is relative to the memory's first element.
[[nodiscard]] StridedMemory part_of(const StridedMemory& memory, const Box& box);

/// Bytes of the densely packed box.
[[nodiscard]] std::uint64_t packed_bytes(const StridedMemory& memory) noexcept;

/// Bytes of the longest contiguous run at the start of the memory, over trailing dimensions without gaps.
[[nodiscard]] std::size_t run_bytes(const StridedMemory& memory) noexcept;

/// Copy between strided memory and densely packed, row-major memory. pack() bypasses the caches for long runs, because
/// they are not read again soon.
void pack(const StridedMemory& from, std::byte* packed);
void unpack(const std::byte* packed, const StridedMemory& to);

/// Copies between memories of the same extent and element size. They must not overlap.
void copy(const StridedMemory& from, const StridedMemory& to);

}  // namespace holdfast
