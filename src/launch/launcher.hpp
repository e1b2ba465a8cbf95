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

/// Which helper serves which ranks. Helpers are numbered 0..helpers-1 by their lowest rank, and from 0 on each node.
struct Placement {
  int helper = 0;  ///< number of this rank's helper
  int helpers = 0;
  int number_on_node = 0;  ///< number of this rank's helper on its node
  int helper_ranks = 0;    ///< number of ranks that share this rank's helper
  int ranks_on_node = 0;
  bool leader = false;             ///< this rank is the lowest of its helper
  std::vector<std::string> hosts;  ///< node of each helper, as the launcher names it (on leaders only)
};

/// Collective. At most `ranks_per_helper` (0: all) ranks of a node share a helper. `node_name` is this node's.
[[nodiscard]] Placement place(const mpi::Communicator& comm, int ranks_per_helper, const std::string& node_name);

struct StartRequest {
  std::filesystem::path program;  ///< found and probed already; empty where a launcher needs none
  std::string nonce;
  Placement placement;
  double timeout_s = 0;         ///< Options::launch_timeout_s; a helper without a hello within it leaves
  double helper_timeout_s = 0;  ///< Options::helper_timeout_s, which helpers need before the first hello
  bool end_survivors = true;    ///< Options::end_survivors, likewise
  Deadline deadline;            ///< when timeout_s is over
};

/// Returns the arguments of the program holdfast-helper for the request, without its name.
[[nodiscard]] std::vector<std::string> helper_arguments(const StartRequest& request);

/// Starts the helpers' world: one helper per entry of Placement::hosts, each listening at helper_address(nonce, number
/// on its node). An object starts helpers once. Tests run one conformance suite on all launchers.
class HelperLauncher {
 public:
  virtual ~HelperLauncher() = default;
  /// Local. Returns the launcher's name in Options.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Local. Returns this launcher's name for the node that this process runs on.
  [[nodiscard]] virtual std::string node_name() const;
  /// Local. True if it runs the program holdfast-helper.
  [[nodiscard]] virtual bool runs_program() const { return true; }
  /// Local. Says what to try where this launcher does not work, as the end of a sentence.
  [[nodiscard]] virtual std::string advice() const { return {}; }
  /// Local. Says why a lost helper cannot be replaced here and what would allow it, as the end of a sentence; empty if
  /// it can.
  [[nodiscard]] virtual std::string why_irreplaceable() const { return {}; }
  /// Called by all ranks. Returns when the helpers are started; the handshake shows whether they answer. Throws
  /// Error(launch), maybe on some ranks only: the caller agrees on the outcome.
  virtual void start(const mpi::Communicator& comm, const StartRequest& request) = 0;
  /// Collective. Called after that agreement, whatever its outcome.
  virtual void finish_start() {}
  /// Local. Called by all ranks when some of them could not connect. Ends what start() began, where that is possible.
  virtual void give_up() noexcept {}
  /// Local. Called by all ranks after they disconnected. Waits until nothing of the helpers is left; returns false when
  /// the deadline is over first.
  [[nodiscard]] virtual bool finish(transport::Connection& connection, Deadline deadline) noexcept;
};

[[nodiscard]] std::unique_ptr<HelperLauncher> make_spawn_launcher();
[[nodiscard]] std::unique_ptr<HelperLauncher> make_slurm_step_launcher();
[[nodiscard]] std::unique_ptr<HelperLauncher> make_child_launcher();
/// Throws Error(invalid_state) unless reserve_helper_ranks() was called.
[[nodiscard]] std::unique_ptr<HelperLauncher> make_reserved_launcher();

/// Local. Returns `option`, or, where it is automatic, the launcher that fits how this program was started. Throws
/// Error(launch) for a launcher that cannot work here, and names one that can.
[[nodiscard]] Launcher choose(Launcher option);

/// Local. Finds the program holdfast-helper: Options::helper_program (`option`), HOLDFAST_HELPER, beside the library or
/// program, ../bin, ../../bin, PATH. Throws Error(launch), which lists where it looked.
[[nodiscard]] std::filesystem::path find_helper(const std::filesystem::path& option);

/// Local. Runs `program --probe` and waits for its answer. Throws Error(launch) for a program that is not a helper of
/// this version, cannot load its libraries, exits or hangs. It is called before MPI starts the program, which nobody
/// can time out.
void probe_helper(const std::filesystem::path& program, Deadline deadline);
/// Returns what `holdfast-helper --probe` prints.
[[nodiscard]] std::string probe_answer();

/// What start_helpers() returns.
struct Started {
  std::filesystem::path program;  ///< absolute path of the helpers' program; empty where the launcher runs none
  Placement placement;
  std::unique_ptr<transport::Connection> connection;
  std::unique_ptr<HelperLauncher> launcher;
};
/// Collective. Does all from placement to a connected helper (probe, start, connect). Throws the same on all ranks.
[[nodiscard]] Started start_helpers(const mpi::Communicator& comm, const Options& options);

}  // namespace holdfast::launch
