#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plan/plan.hpp"

/// Jobs of any size, and what a new plan costs one of their ranks, worked out in one process. docs/scale.md has the
/// model.
namespace holdfast::benchmarks {

/// Who holds what. Tensors are 2-d, cut by rows.
struct Workload {
  const char* name = "";
  int ranks_per_tensor = 0;  ///< neighbours that share a tensor; 0: all ranks
  bool replicas = false;     ///< each of them holds the whole tensor
};

/// Stages of a pipeline, each tensor cut over the 128 ranks of its stage: there are more tensors where there are more
/// ranks.
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
  [[nodiscard]] std::vector<plan::Item> items(int rank) const;

 private:
  Workload workload_;
  int ranks_, shards_, stage_ranks_;
};

/// What one rank's work in a new plan consists of, and how long this processor took for it.
struct RankWork {
  std::uint64_t items = 0;           ///< different ones that end at this rank
  std::uint64_t holders = 0;         ///< of these
  std::uint64_t bytes_received = 0;  ///< in both kinds of messages that are united on their way, all hops
  double compute_s = 0;              ///< all steps between the messages, uniting and packing at each hop with them
};

struct SimulatedPlan {
  RankWork typical;              ///< medians of the drawn ones
  RankWork heaviest;             ///< of those with most holders or names, the one that takes longest
  double mean_items = 0;         ///< different ones, over all ranks
  std::uint64_t most_names = 0;  ///< that one rank answers for, groups with them
  std::uint64_t bytes_items = 0, bytes_tallies = 0,
                bytes_pieces = 0;  ///< that a typical rank receives in one hop of each kind
};

/// A few ranks drawn by chance, and those at which most ends, with what arrives at them. What the others have to do is
/// counted, not carried out.
class Simulation {
 public:
  /// Messages go over a grid of these sides.
  Simulation(const Job& job, const std::vector<int>& sides);
  ~Simulation();
  /// Carries out what the ranks do, once.
  void run();
  /// With the median times of all runs so far, of which there is one at least.
  [[nodiscard]] SimulatedPlan plan() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// The plan after some runs in a row.
[[nodiscard]] SimulatedPlan simulate(const Job& job, const std::vector<int>& sides);

/// A network: what a message costs beside its bytes, and what a byte costs.
struct Network {
  double message_s = 1.5e-6;
  double byte_s = 1e-10;
};
/// The messages of a new plan for one rank, as mpi::Grid sends them between ranks that stand in a grid of these sides.
[[nodiscard]] double messages_s(const SimulatedPlan& plan, const std::vector<int>& sides, const Network& network);

}  // namespace holdfast::benchmarks
