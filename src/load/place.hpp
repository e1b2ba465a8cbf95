#pragma once

#include <cstdint>
#include <functional>
#include <holdfast/state_dict.hpp>
#include <map>
#include <optional>
#include <vector>

#include "load/reshard.hpp"
#include "load/tasks.hpp"
#include "plan/local.hpp"
#include "stage/upload.hpp"
#include "storage/reader.hpp"

namespace holdfast::load {

/// Where reads go: the memory of the tensors, which `places` tells the kind of, and the values.
struct Targets {
  StateDict& state;
  const plan::LocalPlan& local;
  const std::vector<cuda::Place>& places;
};

/// Can it be read to its place? Otherwise it goes through a buffer.
[[nodiscard]] inline bool is_direct(const cuda::Place& place, DType saved, DType wanted) {
  return !place.on_device() && saved == wanted;
}

/// What is to be done about a part of a read that this rank reads for itself, beside reading it.
struct Treatment {
  Checksum* sum = nullptr;  ///< to which its bytes are added, if there is one
  storage::PageCache page_cache = storage::PageCache::avoid;
};

/// Brings what is read to where it belongs. A part that is read to its place becomes a task; one that goes through a buffer, of
/// at most 16 MiB, is brought there at once; one that comes from elsewhere is brought there by put().
class Placement {
 public:
  /// Nothing: the part comes from elsewhere.
  using Treat = std::function<std::optional<Treatment>(const Read& read, const Part& part)>;

  Placement(const storage::CheckpointReader& file, const Targets& targets, Treat treat)
      : file_(file), targets_(targets), treat_(std::move(treat)), fetch_(file, storage::PageCache::fill) {}

  /// A value takes the length that it has in the file. The read is borrowed.
  void add(const Read& read);
  /// The tasks that are left to do.
  [[nodiscard]] std::span<const Task> tasks() const noexcept { return tasks_; }
  /// Puts a box of a chunk, of which a part was added that comes from elsewhere, to its place; `from` is in the dtype that is
  /// saved.
  void put(std::uint32_t chunk, const Box& box, const StridedMemory& from);
  /// Waits until everything on its way to a device has arrived.
  void finish() { uploads_.finish(); }

  /// Bytes of all that was added, and those that were read so far.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return fetch_.bytes_read(); }

 private:
  /// Where a read goes.
  struct Goal {
    std::uint32_t item = 0;
    DType saved{};
    TensorView view;
    cuda::Place place;

    [[nodiscard]] bool is_direct() const { return load::is_direct(place, saved, view.dtype); }
  };
  using Fill = std::function<void(const Box& box, std::byte* packed)>;

  void add_into(const Read& read, const TensorView& view, const cuda::Place& place);
  void through_buffer(const Goal& goal, const Box& box, const Fill& fill);

  const storage::CheckpointReader& file_;
  const Targets targets_;
  const Treat treat_;
  storage::Fetch fetch_;
  stage::Uploads uploads_;
  std::vector<Task> tasks_;
  std::map<std::uint32_t, Goal> goals_;  ///< of chunks whose parts come from elsewhere
  Bytes wanted_, unconverted_;
  std::uint64_t bytes_ = 0;
};

}  // namespace holdfast::load
