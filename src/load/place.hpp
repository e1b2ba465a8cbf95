#pragma once

#include <cstdint>
#include <functional>
#include <holdfast/state_dict.hpp>
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

/// How a part of a read gets to where it belongs.
enum class Way {
  direct,          ///< read to its place
  through_buffer,  ///< for a device's memory, or of another dtype
};

/// What is to be done about a part of a read, beside reading it.
struct Treatment {
  Checksum* sum = nullptr;  ///< to which its bytes are added, if there is one
  storage::PageCache page_cache = storage::PageCache::avoid;
};

/// Brings what is read to where it belongs. A part that is read to its place becomes a task; one that goes through a buffer, of
/// at most 16 MiB, is brought there at once.
class Placement {
 public:
  using Treat = std::function<Treatment(const Read& read, const Part& part, Way way)>;

  Placement(const storage::CheckpointReader& file, const Targets& targets, Treat treat)
      : file_(file), targets_(targets), treat_(std::move(treat)), fetch_(file, storage::PageCache::fill) {}

  /// A value takes the length that it has in the file.
  void add(const Read& read);
  /// Waits until everything on its way to a device has arrived, and hands over the tasks that are left to do.
  [[nodiscard]] std::vector<Task> finish();

  /// Bytes of all that was added, and those that were read so far.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return fetch_.bytes_read(); }

 private:
  void add_into(const Read& read, const TensorView& view, const cuda::Place& place);
  void through_buffer(const Read& read, const Box& box, Checksum* sum, const TensorView& view, const cuda::Place& place);
  void fill(const Read& read, const Box& box, Checksum* sum, DType wanted, std::byte* packed);

  const storage::CheckpointReader& file_;
  const Targets targets_;
  const Treat treat_;
  storage::Fetch fetch_;
  stage::Uploads uploads_;
  std::vector<Task> tasks_;
  Bytes wanted_, unconverted_;
  std::uint64_t bytes_ = 0;
};

}  // namespace holdfast::load
