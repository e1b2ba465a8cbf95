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
  for (const Part& part : read.parts) {
    const std::optional<Treatment> treatment = treat_(read, part);
    if (treatment && is_direct(place, saved, view.dtype)) {
      tasks_.push_back({read.dataset, &part.box, memory_of(view, part.box), treatment->sum, treatment->page_cache, part.chunk});
      continue;
    }
    const Goal goal{read.item, saved, view, place};
    if (!treatment)
      goals_.emplace(part.chunk, goal);
    else
      through_buffer(goal, part.box, [&](const Box& box, std::byte* packed) {
        fetch_.add(read.dataset, box, packed_memory(packed, box, size_of(saved)), treatment->sum);
        fetch_.run();
      });
  }
}

void Placement::put(std::uint32_t chunk, const Box& box, const StridedMemory& from) {
  const Goal& goal = goals_.at(chunk);
  try {
    if (goal.is_direct()) return copy(from, memory_of(goal.view, box));
    through_buffer(goal, box,
                   [&](const Box& slab, std::byte* packed) { pack(part_of(from, relative(slab, box.offset)), packed); });
  } catch (...) {
    throw current_error({.tensor = targets_.local.items[goal.item].name});
  }
}

/// Brings a box to its place, slab by slab. `fill` writes one, in the dtype that is saved, into a buffer.
void Placement::through_buffer(const Goal& goal, const Box& box, const Fill& fill) {
  const DType saved = goal.saved, wanted = goal.view.dtype;
  for (const Slab& slab : slabs(box, std::max(size_of(saved), size_of(wanted)), stage::Uploads::most_bytes)) {
    const std::size_t count = volume(slab.box.extent);
    if (!goal.place.on_device()) wanted_.resize(count * size_of(wanted));
    std::byte* const packed = goal.place.on_device() ? uploads_.buffer(goal.place.device) : wanted_.data();
    if (saved == wanted) {
      fill(slab.box, packed);
    } else {
      unconverted_.resize(count * size_of(saved));
      fill(slab.box, unconverted_.data());
      convert(saved, unconverted_.data(), wanted, packed, count);
    }
    const StridedMemory memory = memory_of(goal.view, slab.box);
    if (goal.place.on_device())
      uploads_.send(goal.place.device, packed, memory);
    else
      unpack(packed, memory);
  }
}

}  // namespace holdfast::load
