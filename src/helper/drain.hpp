#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/last_two.hpp"
#include "base/mailbox.hpp"
#include "helper/after_commit.hpp"
#include "helper/heartbeat_monitor.hpp"
#include "helper/jobs.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::helper {

/// The helper's writing side: the one thread that writes checkpoints, by HDF5, MPI-IO and direct writes. Besides it,
/// only the HeartbeatMonitor calls MPI. Jobs are collective over the helpers. All helpers get the same saves in the
/// same order unless ranks die, so every round begins with an agreement on what is done.
class Drain {
 public:
  /// `comm` is the helpers' world; the references are borrowed. `report` is called in the drain's thread with each
  /// outcome.
  Drain(mpi::Communicator comm, std::string nonce, HeartbeatMonitor& monitor, AfterCommit& after_commit,
        std::function<void(Outcome)> report);

  /// Does the jobs until every helper leaves.
  void run(Mailbox<Job>& jobs);

 private:
  Opened open(const OpenJob& job);
  Outcome save(const SaveJob& job);
  void run_program(std::int64_t step, const Outcome& outcome);
  void leave();
  void prepare(const SaveJob& job);
  void begin(const SaveJob& job);
  std::optional<storage::SaveResult> write(const SaveJob& job);

  /// The datasets of one plan, from all helpers, sorted by name.
  struct DatasetTable {
    std::vector<plan::Dataset> datasets;
    std::unordered_map<std::uint64_t, std::uint32_t> places;  ///< index in `datasets`, by the key of the name
  };
  const DatasetTable& layout_of(const SaveJob& job);
  void make_request(const SaveJob& job, const DatasetTable& layout);

  mpi::Communicator comm_;
  std::string nonce_;
  HeartbeatMonitor& monitor_;
  AfterCommit& after_commit_;
  std::function<void(Outcome)> report_;
  std::unique_ptr<storage::CheckpointStore> store_;
  LastTwo<DatasetTable> layouts_;     ///< by plan; all helpers keep the same plans
  storage::SaveRequest request_;      ///< the save in progress; its chunks in the order of waves
  std::vector<std::uint32_t> waves_;  ///< wave of each chunk
};

}  // namespace holdfast::helper
