#include "tensor/slabs.hpp"

#include <algorithm>

namespace holdfast {

/// Cuts the first dimension whose rows are small enough, or the last one.
Slabs::Slabs(Box box, std::uint64_t element_bytes, std::uint64_t max_bytes)
    : box_(std::move(box)), element_bytes_(element_bytes), row_bytes_(volume(box_.extent) * element_bytes) {
  if (empty(box_)) return;
  count_ = 1;
  if (box_.dimensions() == 0) return;
  while (true) {
    row_bytes_ /= box_.extent[dimension_];
    if (row_bytes_ <= max_bytes || dimension_ + 1 == box_.dimensions()) break;
    count_ *= box_.extent[dimension_++];
  }
  rows_ = std::max<std::uint64_t>(1, max_bytes / row_bytes_);
  cuts_ = (box_.extent[dimension_] - 1) / rows_ + 1;
  count_ *= cuts_;
}

Slab Slabs::operator[](std::uint64_t index) const {
  Slab slab{.box = box_};
  if (box_.dimensions() > 0) {
    std::uint64_t before = index / cuts_;
    const std::uint64_t first = index % cuts_ * rows_, extent = box_.extent[dimension_];
    slab.begin_bytes = (before * extent + first) * row_bytes_;
    slab.box.offset[dimension_] += first;
    slab.box.extent[dimension_] = std::min(rows_, extent - first);
    for (std::size_t d = dimension_; d-- > 0; before /= box_.extent[d]) {
      slab.box.offset[d] += before % box_.extent[d];
      slab.box.extent[d] = 1;
    }
  }
  slab.bytes = volume(slab.box.extent) * element_bytes_;
  return slab;
}

std::vector<Slab> slabs(const Box& box, std::uint64_t element_bytes, std::uint64_t max_bytes) {
  const Slabs all(box, element_bytes, max_bytes);
  std::vector<Slab> slabs;
  slabs.reserve(all.count());
  for (std::uint64_t i = 0; i < all.count(); ++i) slabs.push_back(all[i]);
  return slabs;
}

}  // namespace holdfast
