#include <fmt/format.h>

#include <cstdlib>
#include <random>
#include <string_view>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "launch/launcher.hpp"
#include "launch/nonce.hpp"
#include "launch/reservation.hpp"

namespace holdfast::launch {
namespace {

/// True if srun started this process, and not an mpirun inside the same allocation.
bool started_by_srun() {
  const char* name = std::getenv("PMIX_NAMESPACE");
  return name != nullptr && std::string_view(name).starts_with("slurm.pmix.");
}

std::unique_ptr<HelperLauncher> make_launcher(Launcher launcher) {
  if (launcher == Launcher::reserved_ranks) return make_reserved_launcher();
  if (launcher == Launcher::slurm_step) return make_slurm_step_launcher();
  if (launcher == Launcher::child) return make_child_launcher();
  return make_spawn_launcher();
}

/// Collective. Rank 0 finds the program; the leader of each helper probes it on the node where it will run.
std::filesystem::path agree_on_program(const mpi::Communicator& comm, const Options& options, bool leader,
                                       Deadline deadline) {
  std::string program;
  mpi::all_or_none(comm, [&] {
    if (comm.rank() == 0) program = find_helper(options.helper_program).string();
  });
  mpi::broadcast_value(comm, program, 0);
  mpi::all_or_none(comm, [&] {
    if (leader) probe_helper(program, deadline);
  });
  return program;
}

transport::Address address_of(const StartRequest& request) {
  return transport::helper_address(request.nonce, request.placement.number_on_node);
}

/// Adds the launcher's advice to the error if no helper could be started or none answers: another launcher may work.
void start_then_connect(const mpi::Communicator& comm, Transport transport, const StartRequest& request,
                        Started& started) {
  bool starting = true;
  try {
    started.launcher->start(comm, request);
    starting = false;
    started.connection = transport::connect(address_of(request), comm.rank(), transport, request.deadline);
  } catch (const Error& error) {
    const bool no_helper = starting || error.code() == ErrorCode::launch;
    throw Error(error.code(), error.message() + (no_helper ? started.launcher->advice() : ""), error.context());
  }
}

/// A rank connects before it waits for the others. So its helper knows it, and can end it if it waits for a rank that
/// has died.
void start_and_connect(const mpi::Communicator& comm, Transport transport, const StartRequest& request,
                       Started& started) {
  mpi::LocalWork work;
  work([&] { start_then_connect(comm, transport, request, started); });
  try {
    mpi::agree(comm, work.error());
    started.launcher->finish_start();
  } catch (const Error& error) {
    started.launcher->finish_start();
    if (started.connection)
      transport::take_leave(*started.connection);
    else
      transport::decline(address_of(request), comm.rank(), error);
    started.connection.reset();
    started.launcher->give_up();
    throw;
  }
}

}  // namespace

std::string make_nonce() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

std::vector<std::string> helper_arguments(const StartRequest& request) {
  std::vector<std::string> words = {"--nonce",          request.nonce,
                                    "--timeout",        fmt::format("{}", request.timeout_s),
                                    "--helper-timeout", fmt::format("{}", request.helper_timeout_s)};
  if (!request.end_survivors) words.emplace_back("--leave-survivors");
  return words;
}

std::string HelperLauncher::node_name() const {
  return mpi::processor_name();
}

bool HelperLauncher::finish(transport::Connection& connection, Deadline deadline) noexcept {
  return connection.await_exit(transport::Connection::End::reaped, deadline);
}

Launcher choose(Launcher option) {
  const auto refuse = [](const char* sentence) { throw Error(ErrorCode::launch, sentence, {.host = host_name()}); };
  if (option == Launcher::automatic)
    return reserved() ? Launcher::reserved_ranks : started_by_srun() ? Launcher::slurm_step : Launcher::spawn;
  if (option == Launcher::spawn && started_by_srun())
    refuse("this program was started by srun, where MPI_Comm_spawn never returns; Launcher::slurm_step works there");
  if (option == Launcher::slurm_step && std::getenv("SLURM_JOB_ID") == nullptr)
    refuse("Launcher::slurm_step works inside a Slurm job only, which this is not; Launcher::spawn works under mpirun");
  return option;
}

Started start_helpers(const mpi::Communicator& comm, const Options& options) {
  const Deadline deadline{Seconds(options.launch_timeout_s)};
  Started started;
  mpi::all_or_none(comm, [&] { started.launcher = make_launcher(choose(options.launcher)); });
  started.placement = place(comm, options.ranks_per_helper, started.launcher->node_name());
  StartRequest request{.program = {},
                       .nonce = comm.rank() == 0 ? make_nonce() : std::string{},
                       .placement = started.placement,
                       .timeout_s = options.launch_timeout_s,
                       .helper_timeout_s = options.helper_timeout_s,
                       .end_survivors = options.end_survivors,
                       .deadline = deadline};
  if (started.launcher->runs_program())
    request.program = agree_on_program(comm, options, started.placement.leader, deadline);
  mpi::broadcast_value(comm, request.nonce, 0);
  start_and_connect(comm, options.transport, request, started);
  started.program = request.program;
  return started;
}

}  // namespace holdfast::launch
