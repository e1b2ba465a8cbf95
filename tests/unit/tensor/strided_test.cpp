#include "tensor/strided.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <holdfast/error.hpp>
#include <limits>
#include <numeric>
#include <random>
#include <set>

#include "tensor/cover.hpp"
#include "unit/tensor/random_boxes.hpp"

namespace holdfast {
namespace {

using Bytes = std::vector<std::byte>;

/// Calls `visit` with the address of every element in row-major order, one by one.
void for_each_element(const StridedMemory& memory, const std::function<void(std::byte*)>& visit) {
  const std::vector<std::int64_t> order = packed_strides(memory.extent);
  for (std::uint64_t i = 0; i < volume(memory.extent); ++i) {
    std::byte* element = memory.data;
    for (std::size_t d = 0; d < memory.extent.size(); ++d)
      element += static_cast<std::int64_t>(i / static_cast<std::uint64_t>(order[d]) % memory.extent[d]) *
                 memory.stride_bytes[d];
    visit(element);
  }
}

Bytes packed_naively(const StridedMemory& memory) {
  Bytes packed;
  for_each_element(
      memory, [&](const std::byte* element) { packed.insert(packed.end(), element, element + memory.element_bytes); });
  return packed;
}

/// A random box inside a larger block of memory: dimensions in random order, with gaps, some backwards.
struct RandomMemory {
  Bytes block;
  StridedMemory memory;

  explicit RandomMemory(std::mt19937& random)
      : RandomMemory(random, test::random_shape(random, 4, 6), random_size(random)) {}
  RandomMemory(std::mt19937& random, const Shape& shape, std::size_t element_bytes) {
    memory.extent = shape;
    memory.element_bytes = element_bytes;
    memory.stride_bytes.resize(memory.extent.size());
    std::vector<std::size_t> order(memory.extent.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (random() % 2 == 0) std::ranges::shuffle(order, random);
    auto reach = static_cast<std::int64_t>(memory.element_bytes);
    std::int64_t first = 0;
    std::ranges::reverse(order);
    for (const std::size_t d : order) {
      const std::int64_t gap = random() % 3 == 0 ? static_cast<std::int64_t>(random() % 5) : 0;
      const auto extent = static_cast<std::int64_t>(memory.extent[d]);
      memory.stride_bytes[d] = reach + gap;
      if (random() % 4 == 0) {
        memory.stride_bytes[d] *= -1;
        first += (extent - 1) * (reach + gap);
      }
      reach = (reach + gap) * extent;
    }
    block.resize(static_cast<std::size_t>(reach));
    for (std::byte& byte : block) byte = static_cast<std::byte>(random());
    memory.data = block.data() + first;
  }
  static std::size_t random_size(std::mt19937& random) {
    static constexpr std::size_t sizes[] = {1, 2, 3, 4, 8, 16};
    return sizes[random() % 6];
  }
};

/// The block of memory as it is when the packed box has been put into it.
Bytes unpacked_naively(const Bytes& packed, const RandomMemory& to) {
  Bytes block = to.block;
  const std::byte* next = packed.data();
  for_each_element(to.memory, [&](const std::byte* element) {
    std::memcpy(block.data() + (element - to.block.data()), next, to.memory.element_bytes);
    next += to.memory.element_bytes;
  });
  return block;
}

TEST(Strided, PacksAsANaiveLoopDoes) {
  std::mt19937 random(21);
  for (int repeat = 0; repeat < 3000; ++repeat) {
    const RandomMemory from(random);
    const Bytes expected = packed_naively(from.memory);
    Bytes packed(expected.size() + 1, std::byte{0xEE});
    pack(from.memory, packed.data());
    ASSERT_EQ(packed.back(), std::byte{0xEE});
    packed.pop_back();
    ASSERT_EQ(packed, expected) << to_string(from.memory.extent);
  }
}

TEST(Strided, UnpacksAsANaiveLoopDoesAndTouchesNothingElse) {
  std::mt19937 random(22);
  for (int repeat = 0; repeat < 3000; ++repeat) {
    RandomMemory to(random);
    Bytes packed(volume(to.memory.extent) * to.memory.element_bytes);
    for (std::byte& byte : packed) byte = static_cast<std::byte>(random());
    const Bytes expected = unpacked_naively(packed, to);
    unpack(packed.data(), to.memory);
    ASSERT_EQ(to.block, expected) << to_string(to.memory.extent);
  }
}

TEST(Strided, CopiesAsPackingAndUnpackingDo) {
  std::mt19937 random(23);
  for (int repeat = 0; repeat < 3000; ++repeat) {
    const RandomMemory from(random);
    RandomMemory to(random, from.memory.extent, from.memory.element_bytes);
    const Bytes packed = packed_naively(from.memory);
    const Bytes expected = unpacked_naively(packed, to);
    copy(from.memory, to.memory);
    ASSERT_EQ(to.block, expected) << to_string(to.memory.extent);
  }
}

TEST(Strided, AStrideOfZeroRepeatsAnElement) {
  std::int32_t values[] = {7, 9};
  const StridedMemory memory{reinterpret_cast<std::byte*>(values), {3, 2}, {0, 4}, 4};
  std::int32_t packed[6] = {};
  pack(memory, reinterpret_cast<std::byte*>(packed));
  EXPECT_TRUE(std::ranges::equal(packed, std::vector{7, 9, 7, 9, 7, 9}));
}

TEST(Strided, AnEmptyBoxMovesNothing) {
  const StridedMemory memory{nullptr, {3, 0, 2}, {8, 8, 4}, 4};
  pack(memory, nullptr);
  unpack(nullptr, memory);
  copy(memory, memory);
  EXPECT_EQ(run_bytes(memory), 0U);
}

TEST(Strided, RunsAreAsLongAsTheyCanBe) {
  std::byte* const any = nullptr;
  EXPECT_EQ(run_bytes({any, {}, {}, 8}), 8U);
  EXPECT_EQ(run_bytes({any, {4, 3}, {12, 4}, 4}), 48U);
  EXPECT_EQ(run_bytes({any, {4, 3}, {16, 4}, 4}), 12U);
  EXPECT_EQ(run_bytes({any, {4, 3}, {4, 16}, 4}), 4U);
  EXPECT_EQ(run_bytes({any, {4, 1, 3}, {12, 999, 4}, 4}), 48U);
  EXPECT_EQ(run_bytes({any, {2, 4, 3}, {60, 12, 4}, 4}), 48U);
}

TEST(Strided, MemoryOfABoxInsideGhostCells) {
  std::vector<float> field(6 * 34);
  std::iota(field.begin(), field.end(), 0.0F);
  const TensorView view = shard(field.data() + 34 + 1, DType::f32,
                                {.global = {100, 64}, .offset = {8, 32}, .extent = {4, 32}, .stride = {34, 1}});
  const StridedMemory memory = memory_of(view, {{9, 40}, {2, 3}});
  std::vector<float> packed(6);
  pack(memory, reinterpret_cast<std::byte*>(packed.data()));
  EXPECT_EQ(packed, (std::vector<float>{77, 78, 79, 111, 112, 113}));
}

TEST(Strided, MemoryOfADensePartAndOfAnEmptyOne) {
  std::vector<double> data{0, 1, 2, 3, 4, 5};
  const TensorView view = shard(data.data(), DType::f64, {.global = {4, 3}, .offset = {2, 0}, .extent = {2, 3}});
  const StridedMemory memory = memory_of(view, {{3, 1}, {1, 2}});
  EXPECT_EQ(memory.data, reinterpret_cast<std::byte*>(&data[4]));
  EXPECT_EQ(run_bytes(memory), 16U);
  const TensorView nothing =
      shard(static_cast<void*>(nullptr), DType::f64, {.global = {4, 3}, .offset = {2, 0}, .extent = {0, 3}});
  EXPECT_EQ(memory_of(nothing, {{2, 0}, {0, 3}}).data, nullptr);
}

TEST(Strided, RefusesStridesThatDoNotFit) {
  std::byte byte{};
  EXPECT_THROW(pack({&byte, {1, 1}, {1}, 1}, &byte), Error);
  EXPECT_THROW(unpack(&byte, {&byte, {1}, {}, 1}), Error);
}

Shard with_strides(Shape extent, std::vector<std::int64_t> stride) {
  return {.global = extent, .offset = Shape(extent.size(), 0), .extent = extent, .stride = std::move(stride)};
}

/// One by one.
bool overlaps_naively(const Shard& box) {
  std::set<std::int64_t> places;
  for (std::uint64_t i = 0; i < volume(box.extent); ++i) {
    std::int64_t place = 0;
    std::uint64_t rest = i;
    for (std::size_t d = 0; d < box.extent.size(); rest /= box.extent[d++])
      place += static_cast<std::int64_t>(rest % box.extent[d]) * box.stride[d];
    if (!places.insert(place).second) return true;
  }
  return false;
}

TEST(OverlapsItself, OfViewsThatProgramsHave) {
  EXPECT_FALSE(overlaps_itself(with_strides({}, {})));
  EXPECT_FALSE(overlaps_itself(with_strides({64, 32}, {})));
  EXPECT_FALSE(overlaps_itself(with_strides({64, 32}, {34, 1})));
  EXPECT_FALSE(overlaps_itself(with_strides({32, 64}, {1, 34}))) << "transposed";
  EXPECT_FALSE(overlaps_itself(with_strides({1, 5}, {0, 1}))) << "one row is nowhere twice";
  EXPECT_FALSE(overlaps_itself(with_strides({0, 5}, {0, 0}))) << "nothing is nowhere twice";
  EXPECT_FALSE(overlaps_itself(with_strides({2, 3}, {3, 2}))) << "0 2 4 and 3 5 7";
  EXPECT_TRUE(overlaps_itself(with_strides({3, 4}, {3, 2}))) << "6 is in the first row and the last";
  EXPECT_TRUE(overlaps_itself(with_strides({5}, {0})));
  EXPECT_TRUE(overlaps_itself(with_strides({8, 3}, {1, 1}))) << "windows that slide";
}

TEST(OverlapsItself, OfRandomViews) {
  std::mt19937 random(11);
  int overlapping = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Shape extent = test::random_shape(random, 4, 5);
    std::vector<std::int64_t> stride(extent.size());
    for (std::int64_t& s : stride) s = static_cast<std::int64_t>(random() % 41) - 20;
    const Shard box = with_strides(extent, stride);
    const bool expected = overlaps_naively(box);
    overlapping += expected ? 1 : 0;
    ASSERT_EQ(overlaps_itself(box), expected) << to_string(extent) << " " << testing::PrintToString(stride);
  }
  EXPECT_GT(overlapping, 1000);
  EXPECT_LT(overlapping, 19'000);
}

TEST(CountableStrides, ReachLessThan2To63Bytes) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max(),
                         least = std::numeric_limits<std::int64_t>::min();
  EXPECT_TRUE(has_countable_strides(with_strides({64, 32}, {34, 1}), 8));
  EXPECT_TRUE(has_countable_strides(with_strides({2}, {most / 8}), 8));
  EXPECT_TRUE(has_countable_strides(with_strides({2}, {-(most / 8)}), 8));
  EXPECT_FALSE(has_countable_strides(with_strides({2}, {most / 8 + 1}), 8));
  EXPECT_FALSE(has_countable_strides(with_strides({3}, {most / 8}), 8));
  EXPECT_FALSE(has_countable_strides(with_strides({2, 2}, {most / 8, 1}), 8));
  EXPECT_FALSE(has_countable_strides(with_strides({2}, {least}), 1));
  EXPECT_FALSE(has_countable_strides(with_strides({1}, {most}), 8)) << "it is multiplied all the same";
}

/// Boxes of a node-centred grid, each with its upper neighbours' first nodes: what each one owns covers the grid.
TEST(Owned, CutsOffWhatTheUpperNeighbourHas) {
  const Shape global = {9, 7};
  std::vector<Box> boxes;
  for (const std::uint64_t row : {0U, 4U})
    for (const std::uint64_t column : {0U, 2U, 4U}) {
      const Shard box{.global = global, .offset = {row, column}, .extent = {5, 3}};
      const Shard mine = owned(box, {1, 1});
      EXPECT_EQ(mine.offset, box.offset);
      EXPECT_EQ(mine.stride, (std::vector<std::int64_t>{3, 1}));
      EXPECT_EQ(mine.extent, (Shape{row == 4 ? 5U : 4U, column == 4 ? 3U : 2U}));
      boxes.push_back({mine.offset, mine.extent});
    }
  EXPECT_FALSE(find_overlap(boxes));
  EXPECT_FALSE(find_hole(global, boxes));
  const Shard kept = owned({.global = {9}, .offset = {2}, .extent = {3}, .stride = {7}}, {5});
  EXPECT_EQ(kept.extent, Shape{0});
  EXPECT_EQ(kept.stride, std::vector<std::int64_t>{7});
}

}  // namespace
}  // namespace holdfast
