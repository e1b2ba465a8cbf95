#include "load/place.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "base/error_text.hpp"
#include "tensor/convert.hpp"
#include "tensor/slabs.hpp"
#include "tensor/strided.hpp"

namespace holdfast::load {
namespace {

class Placement {
 public:
  Placement(const storage::CheckpointReader& file, const Read& read, TensorView view, const cuda::Place& place,
            stage::Uploads& uploads)
      : file_(file),
        read_(read),
        saved_(file.datasets()[read.dataset].dtype),
        view_(std::move(view)),
        place_(place),
        uploads_(uploads) {}

  std::uint64_t run() {
    const std::uint64_t bytes = volume(read_.box.extent) * size_of(saved_);
    if (bytes == 0) return 0;
    const StridedMemory memory = memory_of(view_, read_.box);
    if (!place_.on_device() && saved_ == view_.dtype && run_bytes(memory) == bytes) {
      file_.read(read_.dataset, read_.box, memory.data);
      return bytes;
    }
    const std::size_t element_bytes = std::max(size_of(saved_), size_of(view_.dtype));
    for (const Slab& slab : slabs(read_.box, element_bytes, stage::Uploads::most_bytes)) through_buffer(slab.box);
    return bytes;
  }

 private:
  void through_buffer(const Box& box) {
    const StridedMemory memory = memory_of(view_, box);
    if (place_.on_device()) {
      std::byte* const packed = uploads_.buffer(place_.device);
      fill(box, packed);
      return uploads_.send(place_.device, packed, memory);
    }
    wanted_.resize(packed_bytes(memory));
    fill(box, wanted_.data());
    unpack(wanted_.data(), memory);
  }

  /// Reads a box in the dtype of the view.
  void fill(const Box& box, std::byte* packed) {
    if (saved_ == view_.dtype) return file_.read(read_.dataset, box, packed);
    const std::size_t count = volume(box.extent);
    unconverted_.resize(count * size_of(saved_));
    file_.read(read_.dataset, box, unconverted_.data());
    convert(saved_, unconverted_.data(), view_.dtype, packed, count);
  }

  const storage::CheckpointReader& file_;
  const Read& read_;
  DType saved_;
  TensorView view_;
  cuda::Place place_;
  stage::Uploads& uploads_;
  Bytes wanted_, unconverted_;
};

/// A value takes the length that the file has, and stands where its read lies in the dataset.
TensorView view_of_value(const ValueRef& value, const Read& read) {
  if (value.kind() != ValueRef::Kind::number) value.resize(read.box.extent.at(0));
  return shard(static_cast<void*>(value.bytes().data()), value.dtype(),
               {.global = {}, .offset = read.box.offset, .extent = read.box.extent});
}

}  // namespace

std::uint64_t place(const storage::CheckpointReader& file, const Read& read, const Targets& targets) {
  const auto& values = targets.state.values();
  const std::size_t tensors = targets.state.tensors().size();
  if (read.item >= tensors)
    return Placement(file, read, view_of_value(values[read.item - tensors].ref, read), {}, targets.uploads).run();
  try {
    return Placement(file, read, targets.local.memory[read.item], targets.places[read.item], targets.uploads).run();
  } catch (...) {
    throw current_error({.tensor = targets.local.items[read.item].name});
  }
}

}  // namespace holdfast::load
