#pragma once

#include <cstdint>
#include <functional>
#include <holdfast/state_dict.hpp>
#include <map>
#include <optional>
#include <vector>

#include "load/read_tasks.hpp"
#include "load/reshard.hpp"
#include "plan/local.hpp"
#include "stage/upload.hpp"
#include "storage/read/box_reader.hpp"
#include "storage/read/source.hpp"

namespace holdfast::load {

/// Where reads go: the tensors and the values. `spaces[i]` is the memory space of `local.items[i]`.
struct Targets {
  StateDict& state;
  const plan::LocalPlan& local;
  const std::vector<cuda::MemorySpace>& spaces;
};

/// True if a read can go straight into its place. Otherwise it goes through a buffer.
[[nodiscard]] inline bool is_direct(const cuda::MemorySpace& space, DType saved, DType wanted) {
  return !space.on_device() && saved == wanted;
}

/// Brings what is read to its place. A part that can be read straight into its place becomes a task. A part that goes
/// through a buffer, of at most 16 MiB, is read and brought to its place at once. A part of a shared chunk is brought
/// to its place by put().
class ReadSink {
 public:
  ReadSink(const storage::Source& file, const Targets& targets)
      : file_(file), targets_(targets), reader_(file, storage::PageCache::fill) {}

  /// Adds a read, which is borrowed. A value takes the length that it has in the file.
  void add(const BoxRead& read);
  /// The tasks, which are left to the caller.
  [[nodiscard]] std::span<const ReadTask> tasks() const noexcept { return tasks_; }
  /// Puts a box of a shared chunk into its place: of the part of this chunk that was added as number `part`. `from` is
  /// in the saved dtype.
  void put(std::uint32_t chunk, std::size_t part, const Box& box, const StridedMemory& from);
  /// Waits until everything on its way to a device has arrived.
  void finish() { uploads_.finish(); }

  /// Bytes of all reads that were added.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  /// Bytes that were read through buffers.
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return reader_.bytes_read(); }

 private:
  /// Where a read goes.
  struct Destination {
    std::uint32_t item = 0;
    DType saved{};
    TensorView view;
    cuda::MemorySpace space;

    [[nodiscard]] bool is_direct() const { return load::is_direct(space, saved, view.dtype); }
  };
  using Fill = std::function<void(const Box& box, std::byte* packed)>;

  void add_into(const BoxRead& read, const TensorView& view, const cuda::MemorySpace& space);
  void through_buffer(const Destination& destination, const Box& box, const Fill& fill);

  const storage::Source& file_;
  const Targets targets_;
  storage::BoxReader reader_;
  stage::Uploads uploads_;
  std::vector<ReadTask> tasks_;
  /// By number of the chunk, in the order in which parts were added; of shared chunks.
  std::map<std::uint32_t, std::vector<Destination>> destinations_;
  Bytes wanted_, unconverted_;
  std::uint64_t bytes_ = 0;
};

}  // namespace holdfast::load
