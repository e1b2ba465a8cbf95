#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "collectives.hpp"
#include "data.hpp"
#include "model.hpp"
#include "options.hpp"

namespace train {

/// Thrown on purpose, on all ranks, to show how a run comes back.
struct InjectedFault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What a run has to remember besides the model. All of it goes into the checkpoints.
struct Progress {
  std::int64_t epoch = 0;  ///< epochs done
  double loss = 0;         ///< of the last one, over all ranks
  std::uint64_t seed = 0;
  std::int64_t samples = 0;          ///< that this rank has trained on; its own on each rank
  std::vector<std::byte> generator;  ///< state of the random numbers that make the data
};

/// Data-parallel training with everything sharded: one batch, one update per epoch.
class Trainer {
 public:
  Trainer(const Group& group, const Options& options);

  /// Begins a run at epoch 0, from the seed.
  void start_over();
  /// Trains one epoch; collective. With `fault`, throws InjectedFault when half of the parameters are updated, which
  /// leaves a state that no checkpoint has.
  void run_epoch(bool fault);

  [[nodiscard]] Model& model() { return model_; }
  [[nodiscard]] Progress& progress() { return progress_; }

 private:
  std::vector<torch::Tensor> loss_and_gradients(const Batch& batch);
  void update(const std::vector<torch::Tensor>& gathered, bool fault);

  Group group_;
  std::uint64_t seed_;
  Model model_;
  Progress progress_;
};

}  // namespace train
