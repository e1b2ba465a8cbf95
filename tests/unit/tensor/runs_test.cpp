#include "tensor/runs.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "support/sample_tensor.hpp"

namespace holdfast {
namespace {

/// What a copy engine does with the blocks.
std::size_t copy_blocks(const StridedMemory& memory, std::byte* packed) {
  std::size_t blocks = 0;
  for_each_block(memory, [&](const std::byte* from, std::size_t offset, const Block& block) {
    EXPECT_GE(block.pitch, block.bytes);
    EXPECT_GE(block.layer_rows, block.rows);
    std::byte* to = packed + offset;
    for (std::size_t layer = 0; layer < block.layers; ++layer)
      for (std::size_t row = 0; row < block.rows; ++row, to += block.bytes)
        std::memcpy(to, from + (layer * block.layer_rows + row) * block.pitch, block.bytes);
    ++blocks;
  });
  return blocks;
}

/// The blocks of the memory, which lies inside `bytes` bytes from `first` on, carry what pack() carries. Returns their
/// number.
std::size_t blocks_of(Shape extent, std::vector<std::int64_t> strides, std::size_t bytes, std::size_t first = 0) {
  std::vector<std::uint8_t> source(bytes);
  std::iota(source.begin(), source.end(), std::uint8_t{1});
  const StridedMemory memory{reinterpret_cast<std::byte*>(source.data()) + first, std::move(extent), std::move(strides),
                             4};
  std::vector<std::byte> expected(packed_bytes(memory)), packed(expected.size());
  pack(memory, expected.data());
  const std::size_t blocks = copy_blocks(memory, packed.data());
  EXPECT_EQ(packed, expected);
  return blocks;
}

TEST(Blocks, AreOneWhereACopyEngineCanDoItAtOnce) {
  EXPECT_EQ(blocks_of({}, {}, 4), 1U);
  EXPECT_EQ(blocks_of({7}, {4}, 28), 1U);
  EXPECT_EQ(blocks_of({3, 5}, {20, 4}, 60), 1U);
  EXPECT_EQ(blocks_of({3, 5}, {28, 4}, 100), 1U) << "rows with a gap";
  EXPECT_EQ(blocks_of({2, 3, 5}, {28 * 4, 28, 4}, 240), 1U) << "layers with a gap";
  EXPECT_EQ(blocks_of({6}, {8}, 48), 1U) << "every other element";
}

TEST(Blocks, AreAsFewAsPossibleOtherwise) {
  EXPECT_EQ(blocks_of({2, 2, 3, 5}, {600, 28 * 4, 28, 4}, 1200), 2U) << "a fourth dimension";
  EXPECT_EQ(blocks_of({2, 3, 5}, {102, 28, 4}, 300), 2U) << "layers that are no whole rows apart";
  EXPECT_EQ(blocks_of({5}, {-4}, 20, 16), 5U) << "backwards";
  EXPECT_EQ(blocks_of({5, 2}, {0, 4}, 8), 5U) << "the same row again and again";
}

TEST(Blocks, OfNothingAreNone) {
  EXPECT_EQ(blocks_of({3, 0}, {4, 4}, 0), 0U);
}

TEST(Blocks, CarryWhatPackCarries) {
  test::Random random(7);
  for (int i = 0; i < 300; ++i) {
    const Shape extent = test::random_shape(random);
    std::vector<std::int64_t> strides(extent.size());
    std::int64_t stride = 4;
    for (std::size_t d = extent.size(); d-- > 0;) {
      strides[d] = stride;
      stride = stride * static_cast<std::int64_t>(extent[d]) + static_cast<std::int64_t>(4 * test::draw(random, 0, 2));
    }
    blocks_of(extent, strides, static_cast<std::size_t>(stride) + 4);
  }
}

}  // namespace
}  // namespace holdfast
