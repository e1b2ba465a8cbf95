#pragma once

#include <cstdint>
#include <vector>

#include "tensor/box.hpp"

namespace holdfast {

/// A part of a box that is contiguous in the box's packed memory.
struct Slab {
  Box box;
  std::uint64_t begin_bytes = 0;  ///< offset in the packed memory
  std::uint64_t bytes = 0;
};

/// Cuts a box into slabs of at most `max_bytes`, but at least one element, in row-major order. Each is computed on
/// demand. An empty box has no slabs. Pure.
class Slabs {
 public:
  Slabs(Box box, std::uint64_t element_bytes, std::uint64_t max_bytes);

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] Slab operator[](std::uint64_t index) const;

 private:
  Box box_;
  std::uint64_t element_bytes_;
  std::size_t dimension_ = 0;    ///< the dimension that is cut; slabs have extent 1 in those before it
  std::uint64_t row_bytes_ = 0;  ///< bytes of one row of that dimension
  std::uint64_t rows_ = 1;       ///< rows per slab; the last slab of the dimension may have fewer
  std::uint64_t cuts_ = 1;       ///< slabs along the dimension
  std::uint64_t count_ = 0;
};

/// All slabs of a box.
[[nodiscard]] std::vector<Slab> slabs(const Box& box, std::uint64_t element_bytes, std::uint64_t max_bytes);

}  // namespace holdfast
