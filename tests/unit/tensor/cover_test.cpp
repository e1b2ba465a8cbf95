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
    for (std::size_t d = 0; d < global.size(); ++d)
      one.offset[d] = element / static_cast<std::uint64_t>(stride[d]) % global[d];
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

CoverSum sum_of(const std::vector<Box>& boxes) {
  CoverSum sum;
  for (const Box& box : boxes) sum += CoverSum(box);
  return sum;
}

TEST(CoverSum, IsThatOfTheWholeOnlyForExactCovers) {
  std::mt19937 random(13);
  int exact = 0, not_exact = 0;
  for (int repeat = 0; repeat < 3000; ++repeat) {
    const Shape global = test::random_shape(random, 4, 5);
    std::vector<Box> boxes = test::random_partition(random, global, 1 + random() % 8);
    if (random() % 3 == 0) boxes.erase(boxes.begin() + static_cast<std::ptrdiff_t>(random() % boxes.size()));
    if (random() % 3 == 0) boxes.push_back(test::random_box(random, global));
    if (random() % 8 == 0) boxes.assign(1 + random() % 3, whole(global));
    const std::vector<int> count = counts(global, boxes);
    const bool is_exact = !any_twice(count) && !any_missed(count);
    ASSERT_EQ(sum_of(boxes) == CoverSum(whole(global)), is_exact);
    ++(is_exact ? exact : not_exact);
  }
  EXPECT_GT(exact, 500);
  EXPECT_GT(not_exact, 500);
}

// One box too far to the left and one too far to the right leave as many elements as there should be, and other sums of
// theirs.
TEST(CoverSum, IsNotFooledByTheVolume) {
  EXPECT_NE(sum_of({{{0}, {4}}, {{3}, {4}}, {{8}, {4}}}), CoverSum(whole({12})));
  EXPECT_NE(sum_of({{{0, 0}, {2, 4}}, {{1, 0}, {2, 4}}}), CoverSum(whole({4, 4})));
  EXPECT_NE(sum_of({{{0, 1}, {1, 1}}, {{1, 0}, {1, 1}}}), sum_of({{{0, 0}, {1, 1}}, {{1, 1}, {1, 1}}}));
}

TEST(CoverSum, OfEmptyBoxesScalarsAndLargePlaces) {
  EXPECT_EQ(CoverSum(Box{{5, 0}, {0, 3}}), CoverSum());
  EXPECT_EQ(CoverSum(whole({4, 0})), CoverSum());
  EXPECT_NE(CoverSum(whole({})), CoverSum());
  EXPECT_NE(sum_of({Box{}, Box{}}), CoverSum(whole({}))) << "twice";
  constexpr std::uint64_t far = std::uint64_t{1} << 61;
  EXPECT_EQ(sum_of({{{0}, {far - 1}}, {{far - 1}, {far}}}), CoverSum(whole({2 * far - 1})));
  EXPECT_NE(sum_of({{{0}, {far - 1}}, {{far}, {far - 1}}}), CoverSum(whole({2 * far - 1})));
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
