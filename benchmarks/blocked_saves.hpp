#pragma once

#include <cstddef>
#include <cstdint>
#include <holdfast/checkpointer.hpp>
#include <vector>

#include "sharded_state.hpp"

namespace holdfast::benchmarks {

/// How a save is made; each has a label of its own in the report.
struct SaveKind {
  const char* label;
  int stage_threads;
  /// Times a second plain memcpy in the place of the save, which is then made untimed: its ratio should be 1, and what
  /// it is instead is the noise and bias of this measurement.
  bool control;
  bool overlap;  ///< return at once, compute, then wait_staged(): what is counted is the time that is not computing
};

/// One measured pair. Times are those of the slowest rank.
struct Sample {
  double blocked_s = 0;
  double memcpy_s = 0;
  double commit_s = 0;
  bool copy_first = false;
};

/// A program with a ShardedState that saves it again and again. Collective.
class BlockedSaves {
 public:
  BlockedSaves(std::uint64_t bytes, const SaveKind& kind);
  /// Collective. Lets the helpers go.
  void close() { checkpointer_.close(); }

  /// Collective. Has the first save be like any other.
  void warm_up() { checkpointer_.warm_up(state_.dict()); }

  /// One save beside one plain memcpy of the same bytes into memory that is faulted in; which comes first alternates,
  /// so that neither always finds the caches warm. Returns when the save is committed.
  Sample next();

 private:
  double copy_plainly(std::vector<float>& to);
  double save_blocked(SaveFuture& future);

  ShardedState state_;
  std::vector<float> copy_, control_copy_;
  std::vector<double> computing_;
  SaveKind kind_;
  Checkpointer checkpointer_;
  std::int64_t step_ = 0;
};

}  // namespace holdfast::benchmarks
