#pragma once

#include <filesystem>
#include <functional>
#include <holdfast/options.hpp>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "transport/connection.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::launch {

/// Which helper serves which ranks. Helpers are numbered 0..helpers-1 by their lowest rank, and on each node from 0.
struct Placement {
  int helper = 0;  ///< this rank's
  int helpers = 0;
  int number_on_node = 0;  ///< of this rank's helper
  int helper_ranks = 0;    ///< ranks that share this rank's helper
  int ranks_on_node = 0;
  bool leader = false;             ///< the lowest rank of its helper
  std::vector<std::string> hosts;  ///< node of each helper, as the launcher names it (leaders only)
};

/// Collective. At most `ranks_per_helper` (0: all) ranks of a node share a helper. `node_name` is this node's.
[[nodiscard]] Placement place(const mpi::Communicator& comm, int ranks_per_helper, const std::string& node_name);

struct StartRequest {
  std::filesystem::path program;  ///< found and probed already; empty where a launcher needs none
  std::string nonce;
  Placement placement;
  double timeout_s = 0;           ///< Options::launch_timeout_s; a helper that no rank greets within it leaves
  double helper_timeout_s = 0;    ///< of Options, as the next one: what helpers have to know before a rank greets them
  bool end_survivors = true;
  Deadline deadline;  ///< the end of timeout_s
};

/// How the program holdfast-helper is called for the request, its name left out.
[[nodiscard]] std::vector<std::string> helper_arguments(const StartRequest& request);

/// Starts the helpers' world: one helper per entry of Placement::hosts, listening at helper_address(nonce, number on its
/// node). Each object starts once. Tests run one conformance suite on all launchers.
class HelperLauncher {
 public:
  virtual ~HelperLauncher() = default;
  /// As Options call it.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Local. How this launcher calls the node that this process runs on.
  [[nodiscard]] virtual std::string node_name() const;
  /// Local. Does it run the program holdfast-helper?
  [[nodiscard]] virtual bool runs_program() const { return true; }
  /// Local. What to try where this launcher does not work, as the end of a sentence.
  [[nodiscard]] virtual std::string advice() const { return {}; }
  /// Local. Why a helper that is lost cannot be replaced here, and what would allow it, as the end of a sentence; empty if it
  /// can.
  [[nodiscard]] virtual std::string why_irreplaceable() const { return {}; }
  /// Called by all ranks. Returns when the helpers were started; whether they answer shows in the handshake. Throws
  /// Error(launch), be it on some of the ranks: the caller agrees.
  virtual void start(const mpi::Communicator& comm, const StartRequest& request) = 0;
  /// Collective, after that agreement, whatever it came to.
  virtual void finish_start() {}
  /// Local, by all ranks, when some of them could not connect: ends what start() began, where that is possible.
  virtual void give_up() noexcept {}
  /// Local, by all ranks, after they disconnected: waits until nothing of the helpers is left. False when the deadline is
  /// over first.
  [[nodiscard]] virtual bool finish(transport::Connection& connection, Deadline deadline) noexcept;
};

[[nodiscard]] std::unique_ptr<HelperLauncher> make_spawn_launcher();
[[nodiscard]] std::unique_ptr<HelperLauncher> make_slurm_step_launcher();
/// Throws Error(invalid_state) unless reserve_helper_ranks() was called.
[[nodiscard]] std::unique_ptr<HelperLauncher> make_reserved_launcher();

/// Local. The launcher that fits how this program was started, where the option leaves it open. Throws Error(launch) for one
/// that cannot work here, naming one that can.
[[nodiscard]] Launcher choose(Launcher option);
[[nodiscard]] std::string_view name_of(Launcher launcher) noexcept;

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
  std::filesystem::path program;  ///< that was found for the helpers, absolute; empty where the launcher runs none
  Placement placement;
  std::unique_ptr<transport::Connection> connection;
  std::unique_ptr<HelperLauncher> launcher;
};
[[nodiscard]] Started start_helpers(const mpi::Communicator& comm, const Options& options);

}  // namespace holdfast::launch
