#pragma once

#include <cstdint>
#include <vector>

#include "tensor/box.hpp"

namespace holdfast {

/// Finds which of many boxes share an element with another one, in about log N steps and one for each that is found,
/// where the boxes overlap little among each other. A tree of bounding boxes; each node halves its boxes along the
/// dimension in which they spread most. Immutable, so several threads may ask at once.
class BoxIndex {
 public:
  BoxIndex() = default;
  /// Copies the boxes, which have the same number of dimensions. Empty ones are never found.
  explicit BoxIndex(const std::vector<const Box*>& boxes);

  /// Sets `found` to the positions, ascending, of the boxes that share an element with `box`.
  void find(const Box& box, std::vector<std::uint32_t>& found) const;
  /// Whether any box shares an element with `box`.
  [[nodiscard]] bool any(const Box& box) const;

 private:
  /// The boxes order_[begin] to order_[end - 1]. The first half is the next node, the second half is node `second`; a
  /// node without a second half is a leaf. Few boxes have no nodes.
  struct Node {
    std::uint32_t begin = 0, end = 0, second = 0;
  };
  using Bound = std::uint64_t;

  void build(const std::vector<const Box*>& boxes, std::uint32_t begin, std::uint32_t end);
  [[nodiscard]] std::size_t widest_dimension(const std::vector<const Box*>& boxes, const Node& node) const;
  /// Calls function(position) until it returns true; returns whether it did.
  template <class Function>
  bool visit(const Box& box, Function&& function) const;
  template <class Function>
  bool visit_boxes(std::uint32_t begin, std::uint32_t end, const Box& box, Function&& function) const;
  [[nodiscard]] bool meets(const Bound* bounds, const Box& box) const noexcept;

  std::size_t dimensions_ = 0;
  std::vector<std::uint32_t> order_;  ///< positions of the boxes, leaf by leaf
  std::vector<Node> nodes_;           ///< each before its halves
  std::vector<Bound> box_bounds_;     ///< of order_: begin and end for each dimension
  std::vector<Bound> node_bounds_;    ///< of nodes_, likewise
};

}  // namespace holdfast
