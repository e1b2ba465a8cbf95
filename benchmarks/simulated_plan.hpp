#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/plan.hpp"

/// Jobs of any size, and what a new plan costs one of their ranks, worked out in one process. docs/scale.md has the model.
namespace holdfast::benchmarks {

/// Who holds what. Tensors are 2-d, cut by rows.
struct Workload {
  const char* name = "";
  int ranks_per_tensor = 0;  ///< neighbours that share a tensor; 0: all ranks
  bool replicas = false;     ///< each of them holds the whole tensor
};

/// Stages of a pipeline, each tensor cut over the 128 ranks of its stage: there are more tensors where there are more ranks.
inline constexpr Workload stages{"stages", 128, false};
/// The same tensors whatever the number of ranks, each cut over all of them.
inline constexpr Workload cut_over_all{"cut_over_all", 0, false};
/// The same tensors on every rank.
inline constexpr Workload on_all_alike{"on_all_alike", 0, true};

/// `shards` tensors on each of `ranks` ranks, which all have to be full stages.
class Job {
 public:
  Job(const Workload& workload, int ranks, int shards);

  [[nodiscard]] int ranks() const noexcept { return ranks_; }
  [[nodiscard]] int shards() const noexcept { return shards_; }
  [[nodiscard]] int stages() const noexcept { return ranks_ / stage_ranks_; }
  [[nodiscard]] bool has_replicas() const noexcept { return workload_.replicas; }
  [[nodiscard]] int stage_ranks() const noexcept { return stage_ranks_; }
  [[nodiscard]] std::string name_of(int stage, int tensor) const;
  /// Some of a rank's items: those of these tensors of its stage.
  [[nodiscard]] std::vector<plan::Item> items(int rank, const std::vector<int>& tensors) const;
  [[nodiscard]] std::vector<plan::Item> items(int rank) const;

 private:
  Workload workload_;
  int ranks_, shards_, stage_ranks_;
};

/// What one rank's work in a new plan consists of, and how long this processor took for it.
struct RankWork {
  std::uint64_t items = 0;           ///< that it merges as an owner, marks of groups included
  std::uint64_t bytes_received = 0;  ///< as an owner
  double compute_s = 0;              ///< all steps between the messages
};

/// A few ranks drawn by chance, and the one that has most to merge. What the others have to do is counted, not carried out.
struct SimulatedPlan {
  RankWork typical;              ///< medians of the drawn ones
  RankWork heaviest;             ///< the one with most items of all ranks
  double mean_items = 0;         ///< over all ranks
  std::uint64_t bytes_sent = 0;  ///< by a rank in the first round
  std::uint64_t bytes_back = 0;  ///< to a rank in the second round
  std::uint64_t receivers = 0;   ///< owners that a rank sends to
  std::uint64_t most_marks = 0;  ///< marks of one group at its owner
};
[[nodiscard]] SimulatedPlan simulate(const Job& job);

/// A network: what a message costs beside its bytes, and what a byte costs.
struct Network {
  double message_s = 1.5e-6;
  double byte_s = 1e-10;
};
/// The messages of a new plan for one rank, as mpi::Grid sends them between ranks that stand in a grid of these sides.
[[nodiscard]] double messages_s(const SimulatedPlan& plan, const std::vector<int>& sides, const Network& network);
/// How long this processor takes to pack and unpack, for both rounds, what a rank sends over such a grid.
[[nodiscard]] double packing_s(const Job& job, const std::vector<int>& sides);

}  // namespace holdfast::benchmarks
