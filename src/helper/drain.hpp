#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/last_two.hpp"
#include "base/mailbox.hpp"
#include "helper/jobs.hpp"
#include "helper/peers.hpp"
#include "storage/commit.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::helper {

/// The helper's writing side: the only thread that calls MPI and HDF5. Jobs are collective over the helpers. Each helper
/// gets the same saves in the same order, unless ranks died; therefore every round begins with an agreement on what is done.
class Drain {
 public:
  /// `comm` is the helpers' world. `report` is called in the drain's thread with each outcome.
  Drain(mpi::Communicator comm, std::string nonce, PeerWatch& peers, std::function<void(Outcome)> report);

  /// Works until every helper leaves.
  void run(Mailbox<Job>& jobs);

 private:
  Opened open(const OpenJob& job);
  Outcome save(const SaveJob& job);
  void leave();
  void prepare(const SaveJob& job);
  void begin(const SaveJob& job);
  std::optional<storage::SaveResult> write(const SaveJob& job);

  /// The datasets of one plan, from all helpers, by name.
  struct Layout {
    std::vector<plan::Dataset> datasets;
    std::unordered_map<std::uint64_t, std::uint32_t> places;  ///< of their keys
  };
  const Layout& layout_of(const SaveJob& job);
  void make_request(const SaveJob& job, const Layout& layout);

  mpi::Communicator comm_;
  std::string nonce_;
  PeerWatch& peers_;
  std::function<void(Outcome)> report_;
  std::unique_ptr<storage::StorageWriter> store_;
  LastTwo<Layout> layouts_;           ///< by plan; the same plans on all helpers
  storage::SaveRequest request_;      ///< of the save that is under way, its chunks in the order of the waves
  std::vector<std::uint32_t> waves_;  ///< of its chunks
};

}  // namespace holdfast::helper
