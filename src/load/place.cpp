#include "load/place.hpp"

#include "base/codec.hpp"
#include "storage/slabs.hpp"
#include "tensor/convert.hpp"
#include "tensor/strided.hpp"

namespace holdfast::load {
namespace {

constexpr std::uint64_t buffer_bytes = 16 << 20;

class Placement {
 public:
  Placement(const storage::CheckpointReader& file, const Read& read, DType wanted, TensorView view)
      : file_(file), read_(read), saved_(file.datasets()[read.dataset].dtype), wanted_(wanted), view_(std::move(view)) {}

  std::uint64_t run() {
    const std::uint64_t bytes = volume(read_.box.extent) * size_of(saved_);
    if (bytes == 0) return 0;
    const StridedMemory memory = memory_of(view_, read_.box);
    if (saved_ == wanted_ && run_bytes(memory) == bytes)
      file_.read(read_.dataset, read_.box, memory.data);
    else
      for (const storage::Slab& slab : storage::slabs(read_.box, size_of(saved_), buffer_bytes)) through_buffer(slab.box);
    return bytes;
  }

 private:
  void through_buffer(const Box& box) {
    const std::size_t count = volume(box.extent);
    packed_.resize(count * size_of(saved_));
    file_.read(read_.dataset, box, packed_.data());
    if (saved_ == wanted_) return unpack(packed_.data(), memory_of(view_, box));
    converted_.resize(count * size_of(wanted_));
    convert(saved_, packed_.data(), wanted_, converted_.data(), count);
    unpack(converted_.data(), memory_of(view_, box));
  }

  const storage::CheckpointReader& file_;
  const Read& read_;
  DType saved_, wanted_;
  TensorView view_;
  Bytes packed_, converted_;
};

/// A value takes the length that the file has, and stands where its read lies in the dataset.
TensorView view_of_value(const ValueRef& value, const Read& read) {
  if (value.kind() != ValueRef::Kind::number) value.resize(read.box.extent.at(0));
  return shard(static_cast<void*>(value.bytes().data()), value.dtype(),
               {.global = {}, .offset = read.box.offset, .extent = read.box.extent});
}

}  // namespace

std::uint64_t place(const storage::CheckpointReader& file, const Read& read, const plan::LocalPlan& local, StateDict& state) {
  const std::size_t tensors = state.tensors().size();
  const TensorView view =
      read.item < tensors ? local.memory[read.item] : view_of_value(state.values()[read.item - tensors].ref, read);
  return Placement(file, read, view.dtype, view).run();
}

}  // namespace holdfast::load
