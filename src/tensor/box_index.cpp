#include "tensor/box_index.hpp"

#include <algorithm>
#include <array>

namespace holdfast {
namespace {

constexpr std::uint32_t leaf_boxes = 4;
/// Levels of the tree: each node has half of the at most 2^32 boxes of the one above.
constexpr std::size_t most_depth = 33;

}  // namespace

BoxIndex::BoxIndex(const std::vector<const Box*>& boxes)
    : dimensions_(boxes.empty() ? 0 : boxes.front()->dimensions()) {
  for (std::uint32_t i = 0; i < boxes.size(); ++i)
    if (!empty(*boxes[i])) order_.push_back(i);
  if (order_.size() > leaf_boxes) build(boxes, 0, static_cast<std::uint32_t>(order_.size()));
  box_bounds_.reserve(order_.size() * 2 * dimensions_);
  for (const std::uint32_t i : order_)
    for (std::size_t d = 0; d < dimensions_; ++d) {
      box_bounds_.push_back(boxes[i]->offset[d]);
      box_bounds_.push_back(boxes[i]->offset[d] + boxes[i]->extent[d]);
    }
}

void BoxIndex::build(const std::vector<const Box*>& boxes, std::uint32_t begin, std::uint32_t end) {
  const std::size_t number = nodes_.size();
  nodes_.push_back({begin, end});
  for (std::size_t d = 0; d < dimensions_; ++d) {
    const Box& first = *boxes[order_[begin]];
    Bound least = first.offset[d], most = first.offset[d] + first.extent[d];
    for (std::uint32_t i = begin + 1; i < end; ++i) {
      const Box& box = *boxes[order_[i]];
      least = std::min(least, box.offset[d]);
      most = std::max(most, box.offset[d] + box.extent[d]);
    }
    node_bounds_.insert(node_bounds_.end(), {least, most});
  }
  if (end - begin <= leaf_boxes || dimensions_ == 0) return;
  const std::size_t d = widest_dimension(boxes, nodes_[number]);
  const std::uint32_t middle = begin + (end - begin) / 2;
  std::nth_element(order_.begin() + begin, order_.begin() + middle, order_.begin() + end,
                   [&](std::uint32_t a, std::uint32_t b) { return boxes[a]->offset[d] < boxes[b]->offset[d]; });
  build(boxes, begin, middle);
  nodes_[number].second = static_cast<std::uint32_t>(nodes_.size());
  build(boxes, middle, end);
}

/// The dimension along which most boxes would fit into the node's bounds side by side.
std::size_t BoxIndex::widest_dimension(const std::vector<const Box*>& boxes, const Node& node) const {
  const Bound* bounds = node_bounds_.data() + node_bounds_.size() - 2 * dimensions_;
  std::size_t widest = 0;
  double most = -1;
  for (std::size_t d = 0; d < dimensions_; ++d) {
    double extents = 0;
    for (std::uint32_t i = node.begin; i < node.end; ++i) extents += static_cast<double>(boxes[order_[i]]->extent[d]);
    const double side_by_side = static_cast<double>(bounds[2 * d + 1] - bounds[2 * d]) / extents;
    if (side_by_side > most) most = side_by_side, widest = d;
  }
  return widest;
}

bool BoxIndex::meets(const Bound* bounds, const Box& box) const noexcept {
  for (std::size_t d = 0; d < dimensions_; ++d)
    if (box.offset[d] >= bounds[2 * d + 1] || box.offset[d] + box.extent[d] <= bounds[2 * d]) return false;
  return true;
}

template <class Function>
bool BoxIndex::visit(const Box& box, Function&& function) const {
  if (empty(box)) return false;
  if (nodes_.empty()) return visit_boxes(0, static_cast<std::uint32_t>(order_.size()), box, function);
  std::array<std::uint32_t, most_depth> left{0};  // nodes to look at
  for (std::size_t count = 1; count > 0;) {
    const std::uint32_t number = left[--count];
    if (!meets(node_bounds_.data() + number * 2 * dimensions_, box)) continue;
    const Node& node = nodes_[number];
    if (node.second != 0) {
      left[count++] = node.second;
      left[count++] = number + 1;
      continue;
    }
    if (visit_boxes(node.begin, node.end, box, function)) return true;
  }
  return false;
}

template <class Function>
bool BoxIndex::visit_boxes(std::uint32_t begin, std::uint32_t end, const Box& box, Function&& function) const {
  for (std::uint32_t i = begin; i < end; ++i)
    if (meets(box_bounds_.data() + i * 2 * dimensions_, box) && function(order_[i])) return true;
  return false;
}

void BoxIndex::find(const Box& box, std::vector<std::uint32_t>& found) const {
  found.clear();
  visit(box, [&](std::uint32_t position) {
    found.push_back(position);
    return false;
  });
  std::ranges::sort(found);
}

bool BoxIndex::any(const Box& box) const {
  return visit(box, [](std::uint32_t) { return true; });
}

}  // namespace holdfast
