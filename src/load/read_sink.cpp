#include "load/read_sink.hpp"

#include <algorithm>

#include "base/error_text.hpp"
#include "tensor/convert.hpp"
#include "tensor/slabs.hpp"
#include "tensor/strided.hpp"

namespace holdfast::load {
namespace {

/// Gives a value room for what is in the file. The view has the offset of the read in the dataset.
TensorView view_of_value(const ValueRef& value, const BoxRead& read) {
  return shard(static_cast<void*>(value.room(volume(read.box.extent)).data()), value.dtype(),
               {.global = {}, .offset = read.box.offset, .extent = read.box.extent});
}

}  // namespace

void ReadSink::add(const BoxRead& read) {
  const auto& values = targets_.state.values();
  const std::size_t tensors = targets_.state.tensors().size();
  if (read.item >= tensors) return add_into(read, view_of_value(values[read.item - tensors].ref, read), {});
  try {
    add_into(read, targets_.local.memory[read.item], targets_.spaces[read.item]);
  } catch (...) {
    throw current_error({.tensor = targets_.local.items[read.item].shown()});
  }
}

void ReadSink::add_into(const BoxRead& read, const TensorView& view, const cuda::MemorySpace& space) {
  const DType saved = file_.datasets()[read.dataset].dtype;
  bytes_ += volume(read.box.extent) * size_of(saved);
  for (const ChunkPart& part : read.parts) {
    if (!part.mode.is_shared && is_direct(space, saved, view.dtype)) {
      tasks_.push_back(
          {read.dataset, &part.box, memory_of(view, part.box), part.mode.sum, part.mode.page_cache, part.chunk});
      continue;
    }
    const Destination destination{read.item, saved, view, space};
    if (part.mode.is_shared)
      destinations_[part.chunk].push_back(destination);
    else
      through_buffer(destination, part.box, [&](const Box& box, std::byte* packed) {
        reader_.add(read.dataset, box, packed_memory(packed, box, size_of(saved)), part.mode.sum);
        reader_.run();
      });
  }
}

void ReadSink::put(std::uint32_t chunk, std::size_t part, const Box& box, const StridedMemory& from) {
  const Destination& destination = destinations_.at(chunk).at(part);
  try {
    if (destination.is_direct()) return copy(from, memory_of(destination.view, box));
    through_buffer(destination, box, [&](const Box& slab, std::byte* packed) {
      pack(part_of(from, relative(slab, box.offset)), packed);
    });
  } catch (...) {
    throw current_error({.tensor = targets_.local.items[destination.item].shown()});
  }
}

/// Brings a box to its place, slab by slab. `fill` writes a slab into a buffer, in the saved dtype.
void ReadSink::through_buffer(const Destination& destination, const Box& box, const Fill& fill) {
  const DType saved = destination.saved, wanted = destination.view.dtype;
  for (const Slab& slab : slabs(box, std::max(size_of(saved), size_of(wanted)), stage::Uploads::most_bytes)) {
    const std::size_t count = volume(slab.box.extent);
    if (!destination.space.on_device()) wanted_.resize(count * size_of(wanted));
    std::byte* const packed =
        destination.space.on_device() ? uploads_.buffer(destination.space.device) : wanted_.data();
    if (saved == wanted) {
      fill(slab.box, packed);
    } else {
      unconverted_.resize(count * size_of(saved));
      fill(slab.box, unconverted_.data());
      convert(saved, unconverted_.data(), wanted, packed, count);
    }
    const StridedMemory memory = memory_of(destination.view, slab.box);
    if (destination.space.on_device())
      uploads_.send(destination.space.device, packed, memory);
    else
      unpack(packed, memory);
  }
}

}  // namespace holdfast::load
