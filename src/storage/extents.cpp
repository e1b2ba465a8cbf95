#include "storage/extents.hpp"

#include "tensor/slabs.hpp"
#include "tensor/strided.hpp"

namespace holdfast::storage {
namespace {

std::uint64_t packed_bytes(const Placed& placed, const Box& box) {
  return volume(box.extent) * element_bytes(placed.dataset);
}

/// Bytes of a box that follow each other in the file.
std::uint64_t run_bytes_of(const Placed& placed, const Box& box) {
  const auto element = static_cast<std::int64_t>(element_bytes(placed.dataset));
  StridedMemory in_file{.data = nullptr, .extent = box.extent, .stride_bytes = packed_strides(placed.dataset.global)};
  in_file.element_bytes = static_cast<std::size_t>(element);
  for (std::int64_t& stride : in_file.stride_bytes) stride *= element;
  return run_bytes(in_file);
}

}  // namespace

std::uint64_t element_bytes(const plan::Dataset& dataset) noexcept {
  return dataset.kind == plan::Kind::string ? 1 : size_of(dataset.dtype);
}

std::uint64_t Placed::offset_of(const Shape& position) const {
  const std::vector<std::int64_t> strides = packed_strides(dataset.global);
  std::uint64_t elements = 0;
  for (std::size_t d = 0; d < position.size(); ++d) elements += position[d] * static_cast<std::uint64_t>(strides[d]);
  return address + elements * element_bytes(dataset);
}

bool Placed::is_contiguous(const Box& box) const {
  return run_bytes_of(*this, box) == packed_bytes(*this, box);
}

std::vector<Extent> Placed::extents(const Box& box, const std::byte* packed) const {
  std::vector<Extent> result;
  if (empty(box)) return result;
  for (const Slab& run : slabs(box, element_bytes(dataset), run_bytes_of(*this, box)))
    result.push_back({offset_of(run.box.offset), packed + run.begin_bytes, run.bytes});
  return result;
}

}  // namespace holdfast::storage
