#include "tensor/box_index.hpp"

#include <gtest/gtest.h>

#include "unit/tensor/random_boxes.hpp"

namespace holdfast {
namespace {

BoxIndex index_of(const std::vector<Box>& boxes) {
  std::vector<const Box*> pointers;
  for (const Box& box : boxes) pointers.push_back(&box);
  return BoxIndex(pointers);
}

std::vector<std::uint32_t> found_in(const BoxIndex& index, const Box& box) {
  std::vector<std::uint32_t> found = {7};  // what was there before goes
  index.find(box, found);
  EXPECT_EQ(index.any(box), !found.empty());
  return found;
}

TEST(BoxIndex, FindsWhatLookingAtAllBoxesFinds) {
  std::mt19937 random(21);
  for (int repeat = 0; repeat < 500; ++repeat) {
    const Shape global = test::random_shape(random, 4, 9);
    std::vector<Box> boxes;
    for (auto count = random() % 60; count > 0; --count) boxes.push_back(test::random_box(random, global));
    if (!boxes.empty() && !global.empty()) boxes[random() % boxes.size()].extent[0] = 0;
    const BoxIndex index = index_of(boxes);
    for (int query = 0; query < 10; ++query) {
      const Box box = test::random_box(random, global);
      std::vector<std::uint32_t> expected;
      for (std::uint32_t i = 0; i < boxes.size(); ++i)
        if (!empty(boxes[i]) && overlap(boxes[i], box)) expected.push_back(i);
      EXPECT_EQ(found_in(index, box), expected);
    }
  }
}

TEST(BoxIndex, AnEmptyBoxSharesNothing) {
  EXPECT_TRUE(found_in(index_of({{{0}, {4}}, {{1}, {0}}}), {{1}, {0}}).empty());
  EXPECT_TRUE(found_in(BoxIndex(), {{0}, {4}}).empty());
  EXPECT_EQ(found_in(index_of({{{1}, {0}}, {{0}, {4}}}), {{0}, {4}}), std::vector<std::uint32_t>{1});
}

TEST(BoxIndex, BoxesWithoutDimensionsAreTheSameElement) {
  EXPECT_EQ(found_in(index_of(std::vector<Box>(6)), {}).size(), 6U);
}

}  // namespace
}  // namespace holdfast
