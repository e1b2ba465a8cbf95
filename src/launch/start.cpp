#include <fmt/format.h>

#include <cstdlib>
#include <random>
#include <string_view>

#include "base/error_text.hpp"
#include "launch/launcher.hpp"

namespace holdfast::launch {
namespace {

/// 128 random bits that tell this run's helpers from all others.
std::string make_nonce() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

bool started_by_srun() {
  const char* name = std::getenv("PMIX_NAMESPACE");
  return name != nullptr && std::string_view(name).starts_with("slurm.pmix.");
}

std::unique_ptr<HelperLauncher> choose_launcher() {
  if (started_by_srun())
    throw Error(
        ErrorCode::launch,
        "this program was started by srun, where MPI_Comm_spawn never returns; start it with mpirun inside the allocation",
        {.host = host_name()});
  return make_spawn_launcher();
}

/// Rank 0 finds the program; a rank of every helper-to-be tries it where it will run.
std::filesystem::path agree_on_program(const mpi::Communicator& comm, const Options& options, bool leader, Deadline deadline) {
  std::string program;
  mpi::all_or_none(comm, [&] {
    if (comm.rank() == 0) program = find_helper(options.helper).string();
  });
  mpi::broadcast_value(comm, program, 0);
  mpi::all_or_none(comm, [&] {
    if (leader) probe_helper(program, deadline);
  });
  return program;
}

}  // namespace

Started start_helpers(const mpi::Communicator& comm, const Options& options) {
  const Deadline deadline{Seconds(options.launch_timeout_s)};
  Started started;
  std::unique_ptr<HelperLauncher> launcher;
  mpi::all_or_none(comm, [&] { launcher = choose_launcher(); });
  started.placement = place(comm, options.ranks_per_helper);
  StartRequest request{.program = agree_on_program(comm, options, started.placement.leader, deadline),
                       .nonce = comm.rank() == 0 ? make_nonce() : std::string{},
                       .placement = started.placement};
  mpi::broadcast_value(comm, request.nonce, 0);
  mpi::all_or_none(comm, [&] { launcher->start(comm, request); });
  mpi::all_or_none(comm, [&] {
    started.connection = transport::connect(transport::helper_address(request.nonce, started.placement.helper), comm.rank(),
                                            options.transport, deadline);
  });
  return started;
}

}  // namespace holdfast::launch
