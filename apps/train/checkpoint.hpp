#pragma once

#include <cstdint>
#include <holdfast/checkpointer.hpp>
#include <optional>

#include "collectives.hpp"
#include "options.hpp"
#include "summary.hpp"
#include "trainer.hpp"

namespace train {

/// How a training program uses Holdfast: says once what its state is made of, then saves and loads it. All calls are
/// collective. A save that fails is reported and training goes on; the next one may succeed.
class Checkpoints {
 public:
  /// Binds the trainer's memory, which has to outlive this, and warms up, so that the first save is as fast as any.
  Checkpoints(const Group& group, const Options& options, Trainer& trainer);

  [[nodiscard]] std::optional<std::int64_t> latest() { return checkpointer_.latest(); }
  /// What somebody asked for since the last time: to be done between two epochs.
  [[nodiscard]] holdfast::Requests requests() { return checkpointer_.requests(); }
  /// Is the trainer's state as it is now in a checkpoint, or on its way into one? Epoch 0 is nothing to save. Local.
  [[nodiscard]] bool has_it() const { return progress_.epoch == 0 || newest_ == progress_.epoch; }
  /// Saves the epoch just done, once the save before is committed; training may go on when it returns.
  void save();
  /// Waits for the save under way, if any.
  void wait();
  /// Says so if the save under way is committed by now. Local, and never waits.
  void look();
  /// Loads the newest valid checkpoint into the trainer.
  holdfast::LoadReport load();
  /// Waits for the last save and closes. Is the newest state saved?
  [[nodiscard]] bool close();

  [[nodiscard]] const Summary& summary() const { return summary_; }

 private:
  void tell_committed(std::int64_t epoch);

  Group group_;
  Summary summary_;
  holdfast::Checkpointer checkpointer_;
  holdfast::StateDict state_;
  Progress& progress_;
  holdfast::SaveFuture saving_;
  std::int64_t newest_ = -1;  ///< epoch that was last saved or loaded
  double memcpy_s_ = 0;       ///< of the reference copy made just before the save under way
  bool last_saved_ = true;
  bool told_ = true;  ///< the user knows that the last save is committed
};

}  // namespace train
