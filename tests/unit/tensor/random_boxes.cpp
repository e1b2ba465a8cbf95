#include "unit/tensor/random_boxes.hpp"

#include <algorithm>

namespace holdfast::test {
namespace {

/// Cuts `box` somewhere, if it has more than one element; the second half is appended.
void cut_somewhere(std::mt19937& random, std::vector<Box>& boxes, std::size_t number) {
  std::vector<std::size_t> long_dimensions;
  for (std::size_t d = 0; d < boxes[number].dimensions(); ++d)
    if (boxes[number].extent[d] > 1) long_dimensions.push_back(d);
  if (long_dimensions.empty()) return;
  const std::size_t d = long_dimensions[random() % long_dimensions.size()];
  const std::uint64_t first = 1 + random() % (boxes[number].extent[d] - 1);
  Box second = boxes[number];
  second.offset[d] += first;
  second.extent[d] -= first;
  boxes[number].extent[d] = first;
  boxes.push_back(std::move(second));
}

}  // namespace

Shape random_shape(std::mt19937& random, std::size_t max_dimensions, std::uint64_t max_extent) {
  Shape shape(random() % (max_dimensions + 1));
  for (std::uint64_t& extent : shape) extent = 1 + random() % max_extent;
  return shape;
}

Box random_box(std::mt19937& random, const Shape& global) {
  Box box = whole(global);
  for (std::size_t d = 0; d < global.size(); ++d) {
    box.offset[d] = random() % global[d];
    box.extent[d] = 1 + random() % (global[d] - box.offset[d]);
  }
  return box;
}

std::vector<Box> random_partition(std::mt19937& random, const Shape& global, std::size_t pieces) {
  std::vector<Box> boxes{whole(global)};
  for (std::size_t i = 1; i < pieces; ++i) cut_somewhere(random, boxes, random() % boxes.size());
  return boxes;
}

std::vector<Box> random_sharding(std::mt19937& random, const Shape& global, int ranks) {
  std::vector<Box> boxes = random_partition(random, global, 1 + random() % static_cast<std::size_t>(ranks));
  const std::size_t distinct = boxes.size();
  while (boxes.size() < static_cast<std::size_t>(ranks)) {
    const bool may_be_empty = !global.empty() && random() % 3 == 0;
    boxes.push_back(may_be_empty ? Box{Shape(global.size(), 0), Shape(global.size(), 0)} : boxes[random() % distinct]);
  }
  std::ranges::shuffle(boxes, random);
  return boxes;
}

}  // namespace holdfast::test
