#include "load/place.hpp"

#include <algorithm>

#include "base/error_text.hpp"
#include "tensor/convert.hpp"
#include "tensor/slabs.hpp"
#include "tensor/strided.hpp"

namespace holdfast::load {
namespace {

/// A value takes the length that the file has, and stands where its read lies in the dataset.
TensorView view_of_value(const ValueRef& value, const Read& read) {
  if (value.kind() != ValueRef::Kind::number) value.resize(read.box.extent.at(0));
  return shard(static_cast<void*>(value.bytes().data()), value.dtype(),
               {.global = {}, .offset = read.box.offset, .extent = read.box.extent});
}

}  // namespace

void Placement::add(const Read& read) {
  const auto& values = targets_.state.values();
  const std::size_t tensors = targets_.state.tensors().size();
  if (read.item >= tensors) return add_into(read, view_of_value(values[read.item - tensors].ref, read), {});
  try {
    add_into(read, targets_.local.memory[read.item], targets_.places[read.item]);
  } catch (...) {
    throw current_error({.tensor = targets_.local.items[read.item].name});
  }
}

void Placement::add_into(const Read& read, const TensorView& view, const cuda::Place& place) {
  const DType saved = file_.datasets()[read.dataset].dtype;
  bytes_ += volume(read.box.extent) * size_of(saved);
  const Way way = !place.on_device() && saved == view.dtype ? Way::direct : Way::through_buffer;
  for (const Part& part : read.parts) {
    const Treatment treatment = treat_(read, part, way);
    if (way == Way::direct) {
      tasks_.push_back({read.dataset, part.box, memory_of(view, part.box), treatment.sum, treatment.page_cache, part.chunk});
      continue;
    }
    const std::size_t element_bytes = std::max(size_of(saved), size_of(view.dtype));
    for (const Slab& slab : slabs(part.box, element_bytes, stage::Uploads::most_bytes))
      through_buffer(read, slab.box, treatment.sum, view, place);
  }
}

void Placement::through_buffer(const Read& read, const Box& box, Checksum* sum, const TensorView& view,
                               const cuda::Place& place) {
  const StridedMemory memory = memory_of(view, box);
  if (place.on_device()) {
    std::byte* const packed = uploads_.buffer(place.device);
    fill(read, box, sum, view.dtype, packed);
    return uploads_.send(place.device, packed, memory);
  }
  wanted_.resize(packed_bytes(memory));
  fill(read, box, sum, view.dtype, wanted_.data());
  unpack(wanted_.data(), memory);
}

/// Reads a box in the dtype that is wanted.
void Placement::fill(const Read& read, const Box& box, Checksum* sum, DType wanted, std::byte* packed) {
  const DType saved = file_.datasets()[read.dataset].dtype;
  const std::size_t count = volume(box.extent);
  std::byte* to = packed;
  if (saved != wanted) {
    unconverted_.resize(count * size_of(saved));
    to = unconverted_.data();
  }
  fetch_.add(read.dataset, box, packed_memory(to, box, size_of(saved)), sum);
  fetch_.run();
  if (saved != wanted) convert(saved, to, wanted, packed, count);
}

std::vector<Task> Placement::finish() {
  uploads_.finish();
  return std::move(tasks_);
}

}  // namespace holdfast::load
