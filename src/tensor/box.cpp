#include "tensor/box.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace holdfast {
namespace {

/// Cuts along dimension `d` or a later one and appends to `out`. Earlier dimensions have an extent of 1.
void split_from(const Box& box, std::size_t d, std::uint64_t pieces, std::vector<Box>& out) {
  while (d < box.dimensions() && box.extent[d] <= 1) ++d;
  if (pieces <= 1 || d == box.dimensions()) {
    out.push_back(box);
    return;
  }
  const std::uint64_t extent = box.extent[d];
  const std::uint64_t cuts = std::min(extent, pieces);
  std::uint64_t begin = 0;
  for (std::uint64_t i = 0; i < cuts; ++i) {
    Box part = box;
    part.offset[d] = box.offset[d] + begin;
    part.extent[d] = extent / cuts + (i < extent % cuts ? 1 : 0);
    begin += part.extent[d];
    split_from(part, d + 1, pieces / cuts + (i < pieces % cuts ? 1 : 0), out);
  }
}

}  // namespace

Box whole(const Shape& global) {
  return {Shape(global.size(), 0), global};
}

std::uint64_t volume(const Shape& extent) noexcept {
  std::uint64_t product = 1;
  for (const std::uint64_t e : extent) product *= e;
  return product;
}

std::optional<std::uint64_t> checked_volume(const Shape& extent, std::uint64_t element_bytes) noexcept {
  if (empty(extent)) return 0;
  std::uint64_t left = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / element_bytes;
  for (const std::uint64_t e : extent) left /= e;
  if (left == 0) return std::nullopt;
  return volume(extent);
}

bool empty(const Shape& extent) noexcept {
  return std::ranges::find(extent, 0U) != extent.end();
}

bool inside(const Shape& offset, const Shape& extent, const Shape& global) noexcept {
  if (offset.size() != global.size() || extent.size() != global.size()) return false;
  for (std::size_t d = 0; d < global.size(); ++d)
    if (extent[d] > global[d] || offset[d] > global[d] - extent[d]) return false;
  return true;
}

bool overlap(const Box& a, const Box& b) noexcept {
  for (std::size_t d = 0; d < a.dimensions(); ++d) {
    const std::uint64_t begin = std::max(a.offset[d], b.offset[d]);
    const std::uint64_t end = std::min(a.offset[d] + a.extent[d], b.offset[d] + b.extent[d]);
    if (begin >= end) return false;
  }
  return true;
}

std::optional<Box> intersect(const Box& a, const Box& b) {
  if (!overlap(a, b)) return std::nullopt;
  Box common = a;
  for (std::size_t d = 0; d < a.dimensions(); ++d) {
    common.offset[d] = std::max(a.offset[d], b.offset[d]);
    common.extent[d] = std::min(a.offset[d] + a.extent[d], b.offset[d] + b.extent[d]) - common.offset[d];
  }
  return common;
}

Box relative(Box box, const Shape& origin) {
  for (std::size_t d = 0; d < box.dimensions(); ++d) box.offset[d] -= origin[d];
  return box;
}

std::string to_string(const Box& box) {
  std::string text;
  for (std::size_t d = 0; d < box.dimensions(); ++d)
    text += fmt::format("{}{}:{}", d == 0 ? "" : ", ", box.offset[d], box.offset[d] + box.extent[d]);
  return "[" + text + "]";
}

std::string to_string(const Shape& shape) {
  return fmt::format("({})", fmt::join(shape, ", "));
}

std::vector<std::int64_t> packed_strides(const Shape& extent) {
  std::vector<std::int64_t> strides(extent.size());
  if (empty(extent)) return strides;  // the product of the other extents may overflow
  std::int64_t stride = 1;
  for (std::size_t d = extent.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= static_cast<std::int64_t>(extent[d]);
  }
  return strides;
}

std::vector<Box> split(const Box& box, std::size_t pieces) {
  std::vector<Box> out;
  if (empty(box)) return {box};
  split_from(box, 0, pieces, out);
  return out;
}

}  // namespace holdfast
