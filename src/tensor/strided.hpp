#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor/box.hpp"

namespace holdfast {

/// A box of memory: `data` is its first element, strides are in bytes per dimension.
struct StridedMemory {
  std::byte* data = nullptr;
  Shape extent;
  std::vector<std::int64_t> stride_bytes;
  std::size_t element_bytes = 1;
};

/// The memory of `box`, which must lie inside the view's own box.
[[nodiscard]] StridedMemory memory_of(const TensorView& view, const Box& box);

/// Can the strides of a box be counted in bytes, and the distance of its elements too?
[[nodiscard]] bool has_countable_strides(const Shard& shard, std::size_t element_bytes) noexcept;

/// Do two elements of the box lie in the same place? Its strides are countable.
[[nodiscard]] bool overlaps_itself(const Shard& shard);

/// Memory at `packed` that holds `box` densely, row-major.
[[nodiscard]] StridedMemory packed_memory(std::byte* packed, const Box& box, std::size_t element_bytes);

/// The memory of `box`, whose offset counts from the memory's first element.
[[nodiscard]] StridedMemory part_of(const StridedMemory& memory, const Box& box);

/// Bytes of the box, densely packed.
[[nodiscard]] std::uint64_t packed_bytes(const StridedMemory& memory) noexcept;

/// Bytes of the longest run at the start of the memory that is contiguous (trailing dimensions that follow each other).
[[nodiscard]] std::size_t run_bytes(const StridedMemory& memory) noexcept;

/// Copies the box densely packed, row-major, to `packed`, or back from it. pack() writes long runs around the caches: nobody
/// looks at them soon.
void pack(const StridedMemory& from, std::byte* packed);
void unpack(const std::byte* packed, const StridedMemory& to);

/// Copies the box between memories of the same extent and element size that do not overlap.
void copy(const StridedMemory& from, const StridedMemory& to);

}  // namespace holdfast
