#include "tensor/box.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace holdfast {
namespace {

using Element = std::vector<std::uint64_t>;

/// The elements of a box one by one, in row-major order.
std::vector<Element> elements_of(const Box& box) {
  std::vector<Element> elements{{}};
  for (std::size_t d = 0; d < box.dimensions(); ++d) {
    std::vector<Element> longer;
    for (const Element& element : elements)
      for (std::uint64_t i = 0; i < box.extent[d]; ++i) {
        longer.push_back(element);
        longer.back().push_back(box.offset[d] + i);
      }
    elements = std::move(longer);
  }
  return elements;
}

std::set<Element> set_of(const Box& box) {
  const auto elements = elements_of(box);
  return {elements.begin(), elements.end()};
}

/// Every box in `global`, empty ones too.
std::vector<Box> all_boxes(const Shape& global) {
  std::vector<Box> boxes{{}};
  for (const std::uint64_t size : global) {
    std::vector<Box> longer;
    for (const Box& box : boxes)
      for (std::uint64_t offset = 0; offset <= size; ++offset)
        for (std::uint64_t extent = 0; offset + extent <= size; ++extent) {
          longer.push_back(box);
          longer.back().offset.push_back(offset);
          longer.back().extent.push_back(extent);
        }
    boxes = std::move(longer);
  }
  return boxes;
}

void check_pair(const Box& a, const Box& b) {
  std::set<Element> common;
  std::ranges::set_intersection(set_of(a), set_of(b), std::inserter(common, common.begin()));
  EXPECT_EQ(overlap(a, b), !common.empty()) << to_string(a) << to_string(b);
  const auto found = intersect(a, b);
  ASSERT_EQ(found.has_value(), !common.empty()) << to_string(a) << to_string(b);
  if (found) {
    EXPECT_EQ(set_of(*found), common) << to_string(a) << to_string(b);
  }
}

TEST(Box, IntersectIsThatOfTheElements) {
  for (const Shape& global : {Shape{}, Shape{6}, Shape{3, 3}, Shape{2, 1, 2}}) {
    const std::vector<Box> boxes = all_boxes(global);
    for (const Box& a : boxes)
      for (const Box& b : boxes) check_pair(a, b);
  }
}

TEST(Box, VolumeCountsTheElements) {
  for (const Box& box : all_boxes({3, 2, 2})) {
    EXPECT_EQ(volume(box.extent), elements_of(box).size());
    EXPECT_EQ(empty(box), elements_of(box).empty());
  }
  EXPECT_EQ(volume({}), 1U);
}

TEST(Box, CheckedVolumeRefusesWhatDoesNotFit) {
  EXPECT_EQ(checked_volume({}, 8), 1U);
  EXPECT_EQ(checked_volume({3, 4}, 8), 12U);
  EXPECT_EQ(checked_volume({1ULL << 62}, 1), 1ULL << 62);
  EXPECT_EQ(checked_volume({1ULL << 62}, 2), std::nullopt);
  EXPECT_EQ(checked_volume({1ULL << 32, 1ULL << 32}, 1), std::nullopt);
  EXPECT_EQ(checked_volume({1ULL << 32, 1ULL << 32, 1ULL << 32, 1ULL << 32}, 1), std::nullopt);
  EXPECT_EQ(checked_volume({1ULL << 63, 1ULL << 63, 0}, 16), 0U);
}

TEST(Box, InsideKnowsDimensionsAndOverflow) {
  EXPECT_TRUE(inside({{}, {}}, {}));
  EXPECT_TRUE(inside({{2}, {2}}, {4}));
  EXPECT_TRUE(inside({{4}, {0}}, {4}));
  EXPECT_FALSE(inside({{5}, {0}}, {4}));
  EXPECT_FALSE(inside({{2}, {3}}, {4}));
  EXPECT_FALSE(inside({{~0ULL}, {2}}, {4}));
  EXPECT_FALSE(inside({{0}, {4}}, {4, 1}));
  EXPECT_FALSE(inside({{0, 0}, {4}}, {4}));
}

TEST(Box, RelativeCountsFromTheOrigin) {
  EXPECT_EQ(relative({{3, 5}, {2, 1}}, {1, 5}), (Box{{2, 0}, {2, 1}}));
  EXPECT_EQ(relative(Box{}, {}), Box{});
}

TEST(Box, ReadsWell) {
  EXPECT_EQ(to_string(Box{{0, 32}, {64, 32}}), "[0:64, 32:64]");
  EXPECT_EQ(to_string(Box{}), "[]");
  EXPECT_EQ(to_string(Shape{64, 32}), "(64, 32)");
  EXPECT_EQ(to_string(Shape{}), "()");
}

TEST(Box, PackedStridesAreRowMajor) {
  EXPECT_EQ(packed_strides({4, 3, 2}), (std::vector<std::int64_t>{6, 2, 1}));
  EXPECT_TRUE(packed_strides({}).empty());
  EXPECT_EQ(packed_strides({0, std::uint64_t{1} << 40, std::uint64_t{1} << 40}), std::vector<std::int64_t>(3));
}

void check_split(const Box& box, std::size_t pieces) {
  const std::vector<Box> parts = split(box, pieces);
  EXPECT_LE(parts.size(), std::max<std::size_t>(pieces, 1));
  EXPECT_GE(parts.size(), std::min<std::size_t>({pieces, volume(box.extent), 1}));
  std::vector<Element> packed;
  std::uint64_t least = ~0ULL, most = 0;
  for (const Box& part : parts) {
    for (Element& element : elements_of(part)) packed.push_back(std::move(element));
    least = std::min(least, volume(part.extent));
    most = std::max(most, volume(part.extent));
  }
  EXPECT_EQ(packed, elements_of(box)) << to_string(box) << " in " << pieces;
  if (!empty(box)) {
    EXPECT_LE(most, 2 * least) << to_string(box) << " in " << pieces;
  }
}

TEST(Box, SplitKeepsThePackedOrder) {
  for (const Box& box : {Box{}, Box{{3}, {17}}, Box{{1, 2}, {3, 40}}, Box{{0, 0, 5}, {1, 7, 4}},
                         Box{{0, 0, 0}, {2, 2, 2}}, Box{{4}, {0}}})
    for (std::size_t pieces = 0; pieces < 20; ++pieces) check_split(box, pieces);
}

TEST(Box, SplitGivesAsManyAsAskedFor) {
  EXPECT_EQ(split({{0, 0}, {4, 100}}, 8).size(), 8U);
  EXPECT_EQ(split({{0, 0}, {3, 100}}, 8).size(), 8U);
  EXPECT_EQ(split({{0, 0}, {1, 5}}, 8).size(), 5U);
}

}  // namespace
}  // namespace holdfast
