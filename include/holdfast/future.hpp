#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <holdfast/export.hpp>
#include <memory>
#include <string>

struct CUstream_st;  // CUDA's cudaStream_t is a pointer to it

namespace holdfast {

/// Duration and size of one save. `bytes` counts the whole checkpoint. The seconds for plan, stage and blocked are this
/// rank's; those for write, fsync and commit are the slowest helper's.
struct SaveStats {
  std::int64_t step = -1;        ///< step of the save
  std::string path;              ///< path of the committed file
  std::uint64_t bytes = 0;       ///< tensor and value bytes in the file, replicas counted once
  std::uint64_t rank_bytes = 0;  ///< bytes that this rank staged
  bool plan_cached = false;      ///< the plan of an earlier save was used again
  bool arena_made = false;       ///< an arena of some rank was made, or grew, for this save
  double plan_s = 0;             ///< agreement of the ranks, and planning if it was needed
  double stage_s = 0;            ///< copy into the arena
  double blocked_s = 0;          ///< async_save, from call to return
  double write_s = 0;            ///< creation of the file and writes into it
  double fsync_s = 0;            ///< fsync of the file
  double commit_s = 0;           ///< from staged on the last rank to committed, all included
};

namespace save {
class Save;
}

/// One save in flight. It has two moments: staged (the tensors may change) and committed (durable and visible). Copies
/// refer to the same save. All calls are local to the rank, and every rank learns the same outcome. A future can be
/// used after close() of its Checkpointer. Not thread-safe against calls on the same Checkpointer.
class HOLDFAST_API SaveFuture {
 public:
  /// Refers to no save: all calls but valid() throw invalid_state.
  SaveFuture() = default;

  /// False for a default-constructed future.
  [[nodiscard]] bool valid() const noexcept { return save_ != nullptr; }
  /// Step of the save.
  [[nodiscard]] std::int64_t step() const;
  /// True if WhenBusy::skip left this save out; wait() then returns at once.
  [[nodiscard]] bool skipped() const;

  /// Blocks until the caller may change its tensors. Returns at once without SaveOptions::overlap_staging. Throws
  /// staging errors.
  void wait_staged() const;
  /// For tensors in GPU memory: makes later work of `stream` wait on the device until they may change, and returns at
  /// once. Null means the legacy default stream of each device that the save copies from. Tensors in host memory may
  /// change only after wait_staged(). If arenas could not be page-locked, the device cannot wait by itself, and this
  /// call blocks as wait_staged() does. Throws earlier staging errors; later ones are thrown by wait_staged() and
  /// wait().
  void wait_staged(CUstream_st* stream) const;
  /// True if the save is committed, failed or skipped. Never blocks.
  [[nodiscard]] bool ready() const;
  /// Blocks until the save is committed, and returns its statistics. Throws the failure of the save, or timeout after
  /// Options::save_timeout_s: then the save goes on, and wait() may be called again.
  SaveStats wait() const;
  /// As wait(), with a timeout in seconds. A timeout below 0 counts as 0, one above ten years as ten years.
  SaveStats wait(std::chrono::duration<double> timeout) const;
  /// Has `function` called once, when the save has been committed, has failed or was skipped: in the program's thread,
  /// at the next call of the Checkpointer, or at the end of its close(). The function is local; it may ask this future
  /// (wait() returns at once), but not call MPI or the Checkpointer, and what it throws is logged. A second one
  /// replaces the first. The program need not keep the future until then.
  void on_done(std::function<void()> function) const;

 private:
  friend class Checkpointer;
  explicit SaveFuture(std::shared_ptr<save::Save> save) : save_(std::move(save)) {}

  std::shared_ptr<save::Save> save_;
};

}  // namespace holdfast
