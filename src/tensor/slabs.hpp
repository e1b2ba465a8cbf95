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

/// A box cut into slabs of at most `max_bytes` (at least one element), in row-major order; each can be had without the others. An
/// empty box has none. Pure.
class Slabs {
 public:
  Slabs(Box box, std::uint64_t element_bytes, std::uint64_t max_bytes);

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] Slab operator[](std::uint64_t index) const;

 private:
  Box box_;
  std::uint64_t element_bytes_;
  std::size_t dimension_ = 0;    ///< that is cut; of those before it a slab has one row
  std::uint64_t row_bytes_ = 0;  ///< along it
  std::uint64_t rows_ = 1;       ///< of a slab, but for the last one of the dimension
  std::uint64_t cuts_ = 1;       ///< slabs along the dimension
  std::uint64_t count_ = 0;
};

/// All of them.
[[nodiscard]] std::vector<Slab> slabs(const Box& box, std::uint64_t element_bytes, std::uint64_t max_bytes);

}  // namespace holdfast
