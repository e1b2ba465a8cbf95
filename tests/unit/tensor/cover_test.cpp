#include "tensor/cover.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "unit/tensor/random_boxes.hpp"

namespace holdfast {
namespace {

/// How many boxes hold each element of a small shape, found the slow way.
std::vector<int> counts(const Shape& global, const std::vector<Box>& boxes) {
  std::vector<int> count(volume(global));
  const std::vector<std::int64_t> stride = packed_strides(global);
  for (std::size_t element = 0; element < count.size(); ++element) {
    Box one{Shape(global.size()), Shape(global.size(), 1)};
    for (std::size_t d = 0; d < global.size(); ++d) one.offset[d] = element / static_cast<std::uint64_t>(stride[d]) % global[d];
    for (const Box& box : boxes) count[element] += overlap(box, one) ? 1 : 0;
  }
  return count;
}

bool any_twice(const std::vector<int>& count) {
  return std::ranges::any_of(count, [](int n) { return n > 1; });
}
bool any_missed(const std::vector<int>& count) {
  return std::ranges::any_of(count, [](int n) { return n == 0; });
}

TEST(Cover, FindsOverlapsAsCountingDoes) {
  std::mt19937 random(11);
  int with = 0;
  for (int repeat = 0; repeat < 2000; ++repeat) {
    const Shape global = test::random_shape(random, 3, 5);
    std::vector<Box> boxes;
    for (std::size_t n = random() % 4; n-- > 0;) boxes.push_back(test::random_box(random, global));
    const auto pair = find_overlap(boxes);
    ASSERT_EQ(pair.has_value(), any_twice(counts(global, boxes)));
    if (!pair) continue;
    ++with;
    EXPECT_LT(pair->first, pair->second);
    EXPECT_TRUE(overlap(boxes[pair->first], boxes[pair->second]));
  }
  EXPECT_GT(with, 100);
}

TEST(Cover, FindsHolesAsCountingDoes) {
  std::mt19937 random(12);
  int with = 0;
  for (int repeat = 0; repeat < 2000; ++repeat) {
    const Shape global = test::random_shape(random, 3, 5);
    std::vector<Box> boxes = test::random_partition(random, global, 1 + random() % 8);
    if (random() % 2 == 0) boxes.erase(boxes.begin() + static_cast<std::ptrdiff_t>(random() % boxes.size()));
    if (!boxes.empty() && random() % 2 == 0) boxes.erase(boxes.begin());
    const auto hole = find_hole(global, boxes);
    ASSERT_EQ(hole.has_value(), any_missed(counts(global, boxes)));
    if (!hole) continue;
    ++with;
    EXPECT_TRUE(inside(*hole, global));
    EXPECT_FALSE(empty(*hole));
    for (const Box& box : boxes) EXPECT_FALSE(overlap(*hole, box)) << to_string(*hole) << " " << to_string(box);
  }
  EXPECT_GT(with, 500);
}

TEST(Cover, OfAShapeWithoutElementsNeedsNoBox) {
  EXPECT_FALSE(find_hole({4, 0}, {}));
  EXPECT_EQ(find_hole({4}, {}), (Box{{0}, {4}}));
  EXPECT_EQ(find_hole({}, {}), Box{});
}

// Nothing is timed here: a quadratic search would not end before the time limit that ctest sets.
TEST(Cover, OfManyBoxesTakesNoTime) {
  constexpr std::uint64_t many = 300'000;
  std::vector<Box> boxes;
  for (std::uint64_t i = 0; i < many; ++i) boxes.push_back({{0, 7 * i}, {3, 7}});
  std::ranges::shuffle(boxes, std::mt19937(1));
  EXPECT_FALSE(find_overlap(boxes));
  EXPECT_FALSE(find_hole({3, 7 * many}, boxes));
  const Box last = boxes.back();
  boxes.pop_back();
  EXPECT_EQ(find_hole({3, 7 * many}, boxes), last);
}

TEST(Cover, OfAGridTakesNoTime) {
  constexpr std::uint64_t side = 200;
  std::vector<Box> boxes;
  for (std::uint64_t i = 0; i < side; ++i)
    for (std::uint64_t j = 0; j < side; ++j) boxes.push_back({{2 * i, 5 * j}, {2, 5}});
  EXPECT_FALSE(find_overlap(boxes));
  boxes[777].extent[0] += 1;
  EXPECT_TRUE(find_overlap(boxes));
}

}  // namespace
}  // namespace holdfast
