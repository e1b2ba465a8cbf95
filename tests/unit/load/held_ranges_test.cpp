#include "load/held_ranges.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace holdfast::load {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(StretchOf, WholeRowsAreOne) {
  EXPECT_EQ(byte_range_of({{2, 0}, {3, 4}}, {{1, 0}, {6, 4}}, 8), (ByteRange{1 * 4 * 8, 4 * 4 * 8}));
  EXPECT_EQ(byte_range_of({{3}, {2}}, {{1}, {9}}, 2), (ByteRange{4, 8}));
  EXPECT_EQ(byte_range_of(Box{}, Box{}, 4), (ByteRange{0, 4}));
}

TEST(StretchOf, PartOfOneRowIsOne) {
  EXPECT_EQ(byte_range_of({{5, 2, 0}, {1, 3, 7}}, {{4, 0, 0}, {2, 8, 7}}, 1),
            (ByteRange{8 * 7 + 2 * 7, 8 * 7 + 5 * 7}));
}

TEST(StretchOf, ColumnsOfSeveralRowsAreNone) {
  EXPECT_EQ(byte_range_of({{0, 0}, {2, 3}}, {{0, 0}, {2, 4}}, 1), std::nullopt);
  EXPECT_EQ(byte_range_of({{0, 1, 0}, {2, 1, 5}}, {{0, 0, 0}, {2, 3, 5}}, 1), std::nullopt);
}

/// Elements of `part` by their places in the chunk, one by one.
std::vector<std::uint64_t> places(const Box& part, const Box& chunk) {
  std::vector<std::uint64_t> found;
  for (std::uint64_t i = 0; i < volume(part.extent); ++i) {
    std::uint64_t rest = i, place = 0, stride = 1;
    for (std::size_t d = part.dimensions(); d-- > 0;) {
      place += (part.offset[d] - chunk.offset[d] + rest % part.extent[d]) * stride;
      stride *= chunk.extent[d];
      rest /= part.extent[d];
    }
    found.push_back(place);
  }
  return found;
}

TEST(StretchOf, IsThereWherePlacesFollowEachOther) {
  std::mt19937 random(5);
  int ranges = 0, others = 0;
  for (int repeat = 0; repeat < 2000; ++repeat) {
    Box chunk, part;
    for (std::uint64_t d = random() % 4; d > 0; --d) {
      const std::uint64_t extent = 1 + random() % 4, from = random() % extent, length = 1 + random() % (extent - from);
      const std::uint64_t at = random() % 5;
      chunk.offset.push_back(at);
      chunk.extent.push_back(extent);
      part.offset.push_back(at + from);
      part.extent.push_back(length);
    }
    const std::vector<std::uint64_t> at = places(part, chunk);
    const bool follow = at.back() - at.front() + 1 == at.size();
    const auto range = byte_range_of(part, chunk, 4);
    ASSERT_EQ(range.has_value(), follow) << to_string(part) << " in " << to_string(chunk);
    ++(follow ? ranges : others);
    if (follow) {
      EXPECT_EQ(*range, (ByteRange{at.front() * 4, (at.back() + 1) * 4}));
    }
  }
  EXPECT_GT(ranges, 100);
  EXPECT_GT(others, 100);
}

TEST(Chain, PutsClaimsInOrder) {
  EXPECT_THAT(covering_ranges({{2, {6, 10}}, {0, {0, 2}}, {1, {2, 6}}}, 10),
              ElementsAre(HeldRange{0, {0, 2}}, HeldRange{1, {2, 6}}, HeldRange{2, {6, 10}}));
}

TEST(Chain, TakesFewAndCutsOverlaps) {
  EXPECT_THAT(covering_ranges({{0, {0, 4}}, {1, {1, 3}}, {2, {2, 9}}, {3, {3, 10}}, {4, {0, 1}}}, 10),
              ElementsAre(HeldRange{0, {0, 4}}, HeldRange{3, {4, 10}}));
}

TEST(Chain, IsNoneWhereThereIsAGap) {
  EXPECT_THAT(covering_ranges({{0, {0, 4}}, {1, {5, 10}}}, 10), IsEmpty());
  EXPECT_THAT(covering_ranges({{0, {1, 10}}}, 10), IsEmpty());
  EXPECT_THAT(covering_ranges({{0, {0, 9}}}, 10), IsEmpty());
  EXPECT_THAT(covering_ranges({}, 10), IsEmpty());
}

}  // namespace
}  // namespace holdfast::load
