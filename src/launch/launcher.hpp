#pragma once

#include <filesystem>
#include <holdfast/options.hpp>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "transport/connection.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::launch {

/// Which helper serves which ranks. Helpers are numbered 0..helpers-1 by their lowest rank.
struct Placement {
  int helper = 0;  ///< this rank's
  int helpers = 0;
  int helper_ranks = 0;  ///< ranks that share this rank's helper
  int ranks_on_node = 0;
  bool leader = false;             ///< the lowest rank of its helper
  std::vector<std::string> hosts;  ///< host of each helper, as MPI names it (leaders only)
};

/// Collective. At most `ranks_per_helper` (0: all) ranks of a node share a helper.
[[nodiscard]] Placement place(const mpi::Communicator& comm, int ranks_per_helper);

struct StartRequest {
  std::filesystem::path program;  ///< found and probed already
  std::string nonce;
  Placement placement;
};

/// Starts the helpers' world: one `holdfast-helper --nonce N --index I` per placement slot. tests run one conformance suite
/// on all launchers.
class HelperLauncher {
 public:
  virtual ~HelperLauncher() = default;
  /// Collective. Returns when the helpers were started; whether they answer shows in the handshake.
  virtual void start(const mpi::Communicator& comm, const StartRequest& request) = 0;
};

[[nodiscard]] std::unique_ptr<HelperLauncher> make_spawn_launcher();

/// Local. Options::helper, HOLDFAST_HELPER, beside the library or program, ../bin, PATH. Throws Error(launch) listing where
/// it looked.
[[nodiscard]] std::filesystem::path find_helper(const std::filesystem::path& option);

/// Local. Runs `program --probe` and waits for its answer, so that a program which is not a helper of this version, cannot
/// load its libraries, exits or hangs is found out before MPI starts it (where nobody can time it out). Error(launch).
void probe_helper(const std::filesystem::path& program, Deadline deadline);
/// What `holdfast-helper --probe` prints.
[[nodiscard]] std::string probe_answer();

/// Collective: everything from placement to a connected helper (probe, start, connect). Throws the same on all ranks.
struct Started {
  Placement placement;
  std::unique_ptr<transport::Connection> connection;
};
[[nodiscard]] Started start_helpers(const mpi::Communicator& comm, const Options& options);

}  // namespace holdfast::launch
