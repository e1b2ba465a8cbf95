#include "tensor/slabs.hpp"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

/// The slabs cover the box in row-major order without gap, each within the limit.
void expect_cover(const Box& box, std::uint64_t element_bytes, std::uint64_t max_bytes) {
  std::vector<std::uint64_t> covered;
  std::uint64_t at = 0;
  for (const Slab& slab : slabs(box, element_bytes, max_bytes)) {
    ASSERT_TRUE(inside(slab.box, [&] {
      Shape end = box.offset;
      for (std::size_t d = 0; d < end.size(); ++d) end[d] += box.extent[d];
      return end;
    }()));
    EXPECT_EQ(slab.begin_bytes, at);
    EXPECT_EQ(slab.bytes, volume(slab.box.extent) * element_bytes);
    EXPECT_LE(slab.bytes, std::max(max_bytes, element_bytes));
    // The first element's row-major position in the box is where the slab starts in packed memory.
    std::uint64_t position = 0;
    for (std::size_t d = 0; d < box.dimensions(); ++d)
      position = position * box.extent[d] + (slab.box.offset[d] - box.offset[d]);
    EXPECT_EQ(position * element_bytes, at);
    at += slab.bytes;
  }
  EXPECT_EQ(at, volume(box.extent) * element_bytes);
}

TEST(Slabs, CoverBoxesOfAnyShape) {
  for (const Box& box : {Box{{}, {}}, Box{{3}, {10}}, Box{{0, 2}, {7, 5}}, Box{{1, 1, 1}, {1, 6, 9}},
                         Box{{0, 0, 0}, {5, 1, 8}}, Box{{2, 0}, {1, 100}}})
    for (const std::uint64_t max_bytes : {1U, 4U, 16U, 40U, 64U, 100000U}) expect_cover(box, 4, max_bytes);
}

TEST(Slabs, AnEmptyBoxHasNone) {
  EXPECT_TRUE(slabs({{0, 0}, {3, 0}}, 8, 64).empty());
}

TEST(Slabs, WhatFitsIsOneSlab) {
  EXPECT_EQ(slabs({{0, 0}, {4, 4}}, 4, 64).size(), 1U);
}

TEST(Slabs, LargeRowsAreCutWithin) {
  EXPECT_EQ(slabs({{0, 0}, {2, 1U << 20}}, 1, 1U << 19).size(), 4U);
}

}  // namespace
}  // namespace holdfast
