#pragma once

#include <cstdint>
#include <vector>

#include "tensor/box.hpp"

namespace holdfast {

/// A part of a box whose elements follow each other in the box's packed memory.
struct Slab {
  Box box;
  std::uint64_t begin_bytes = 0;  ///< where it starts in the packed memory
  std::uint64_t bytes = 0;
};

/// Cuts a box into slabs of at most `max_bytes` (at least one element), in row-major order. An empty box has none. Pure.
[[nodiscard]] std::vector<Slab> slabs(const Box& box, std::uint64_t element_bytes, std::uint64_t max_bytes);

}  // namespace holdfast
