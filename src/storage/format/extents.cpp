#include "storage/format/extents.hpp"

#include "tensor/slabs.hpp"
#include "tensor/strided.hpp"

namespace holdfast::storage {
namespace {

std::uint64_t packed_bytes(const Placed& placed, const Box& box) {
  return volume(box.extent) * element_bytes(placed.dataset);
}

}  // namespace

std::uint64_t element_bytes(const plan::Dataset& dataset) noexcept {
  return dataset.kind == plan::DatasetKind::string ? 1 : size_of(dataset.dtype);
}

std::uint64_t Placed::offset_of(const Shape& position) const {
  std::uint64_t elements = 0;
  for (std::size_t d = 0; d < position.size(); ++d) elements = elements * dataset.global[d] + position[d];
  return address + elements * element_bytes(dataset);
}

StridedMemory Placed::strided(const Box& box) const {
  const std::size_t element = element_bytes(dataset);
  StridedMemory memory{nullptr, box.extent, packed_strides(dataset.global), element};
  for (std::int64_t& stride : memory.stride_bytes) stride *= static_cast<std::int64_t>(element);
  return memory;
}

bool Placed::is_contiguous(const Box& box) const {
  return run_bytes(strided(box)) == packed_bytes(*this, box);
}

std::vector<Extent> Placed::extents(const Box& box, const std::byte* packed) const {
  std::vector<Extent> result;
  if (empty(box)) return result;
  for (const Slab& run : slabs(box, element_bytes(dataset), run_bytes(strided(box))))
    result.push_back({offset_of(run.box.offset), packed + run.begin_bytes, run.bytes});
  return result;
}

}  // namespace holdfast::storage
