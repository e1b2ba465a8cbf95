#pragma once

#include <cstdint>
#include <functional>
#include <holdfast/state_dict.hpp>
#include <memory>
#include <stdexcept>

#include "collectives.hpp"
#include "model.hpp"
#include "options.hpp"

namespace train_gpu {

/// Thrown on purpose, on all ranks, to show how a run comes back.
struct InjectedFault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What a run has to remember besides the model.
struct Progress {
  std::int64_t epoch = 0;  ///< epochs done
  double loss = 0;         ///< of the last one, over all ranks
  std::uint64_t seed = 0;
  std::uint64_t random = 0;  ///< state of the random numbers that make the data
};

/// Data-parallel training: every rank holds the whole state on its GPU and trains on its share of each batch; gradients
/// are added up over host memory, in rank order. The same ranks always get the same bits.
class Trainer {
 public:
  Trainer(const train::Group& group, const train::Options& options);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Begins a run at epoch 0, from the seed.
  void start_over();
  /// Trains one epoch; collective. `before_update` is called before the first parameter changes. With `fault`, throws
  /// InjectedFault when half of the parameters are updated, which leaves a state that no checkpoint has.
  void run_epoch(bool fault, const std::function<void()>& before_update);
  /// Its state, by name and address.
  void describe(holdfast::StateDict& state);

  [[nodiscard]] Progress& progress() { return progress_; }
  [[nodiscard]] cudaStream_t stream() const { return stream_; }

 private:
  void add_up(Parameter& parameter);

  train::Group group_;
  std::uint64_t seed_;
  train::RowSplit samples_;
  cudaStream_t stream_ = nullptr;
  std::unique_ptr<Model> model_;
  Progress progress_;
};

}  // namespace train_gpu
