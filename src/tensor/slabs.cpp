#include "tensor/slabs.hpp"

#include <algorithm>

namespace holdfast {
namespace {

struct Cutter {
  std::uint64_t element_bytes;
  std::uint64_t max_bytes;
  std::vector<Slab> slabs;
  std::uint64_t done_bytes = 0;

  /// `box` has extent 1 in all dimensions before `dimension`.
  void cut(const Box& box, std::size_t dimension) {
    const std::uint64_t bytes = volume(box.extent) * element_bytes;
    if (bytes <= max_bytes || dimension == box.dimensions()) {
      slabs.push_back({box, done_bytes, bytes});
      done_bytes += bytes;
      return;
    }
    const std::uint64_t extent = box.extent[dimension];
    const std::uint64_t rows = std::max<std::uint64_t>(1, max_bytes / (bytes / extent));
    for (std::uint64_t row = 0; row < extent; row += rows) {
      Box part = box;
      part.offset[dimension] += row;
      part.extent[dimension] = std::min(rows, extent - row);
      cut(part, dimension + 1);
    }
  }
};

}  // namespace

std::vector<Slab> slabs(const Box& box, std::uint64_t element_bytes, std::uint64_t max_bytes) {
  Cutter cutter{element_bytes, max_bytes, {}};
  if (!empty(box)) cutter.cut(box, 0);
  return std::move(cutter.slabs);
}

}  // namespace holdfast
