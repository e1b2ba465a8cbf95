#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <holdfast/export.hpp>

struct CUstream_st;  // what CUDA's cudaStream_t points to

namespace holdfast {

/// Where the time of one save went. Bytes are of the whole checkpoint; plan and stage seconds are this rank's, the
/// others the helpers' (the slowest one).
struct SaveStats {
  std::int64_t step = -1;
  std::string path;              ///< of the committed file
  std::uint64_t bytes = 0;       ///< tensor and value bytes in the file, replicas counted once
  std::uint64_t rank_bytes = 0;  ///< bytes that this rank staged
  bool plan_cached = false;      ///< the plan of one of the last saves was used again
  bool arena_made = false;       ///< some rank's arena had to be made for it, or to grow
  double plan_s = 0;             ///< agreeing, and planning where needed
  double stage_s = 0;            ///< copying into the arena
  double blocked_s = 0;          ///< async_save from call to return
  double write_s = 0;            ///< creating the file and writing into it
  double fsync_s = 0;            ///< making it durable
  double commit_s = 0;           ///< from the last rank's staged to committed, all included
};

namespace api {
class Save;
}

/// One save under way. It has two moments: staged (the tensors may change) and committed (durable and visible).
/// Copyable; copies speak of the same save. All calls are local to the rank, and every rank learns the same outcome.
/// Valid after close() of its Checkpointer too. Not thread-safe against calls on the same Checkpointer.
class HOLDFAST_API SaveFuture {
 public:
  SaveFuture() = default;
  explicit SaveFuture(std::shared_ptr<api::Save> save) : save_(std::move(save)) {}

  /// False for a default-constructed one.
  [[nodiscard]] bool valid() const noexcept { return save_ != nullptr; }
  [[nodiscard]] std::int64_t step() const;
  /// True when WhenBusy::skip left this save out; wait() then returns at once.
  [[nodiscard]] bool skipped() const;

  /// Blocks until the caller may change its tensors; at once unless SaveOptions::overlap_staging. Throws what staging met.
  void wait_staged() const;
  /// For tensors in GPU memory: makes what `stream` gets from now on wait, on the device, until they may change, and returns
  /// at once. Null means the legacy default stream of each device that the save copies from. Tensors in host memory may
  /// change after wait_staged() only. Where the device cannot wait alone, as arenas could not be page-locked, it blocks as
  /// wait_staged() does. Throws what staging met before; what it meets later, wait_staged() and wait() throw.
  void wait_staged(CUstream_st* stream) const;
  /// Committed or failed? Never blocks.
  [[nodiscard]] bool ready() const;
  /// Blocks until committed and returns the statistics, or throws what went wrong: Error with code timeout when
  /// `timeout` is over (the save goes on; wait again), otherwise the save's failure. Without an argument the timeout is
  /// Options::save_timeout_s. One below 0 is 0, ten years and all above are ten years.
  SaveStats wait() const;
  SaveStats wait(std::chrono::duration<double> timeout) const;

 private:
  std::shared_ptr<api::Save> save_;
};

}  // namespace holdfast
