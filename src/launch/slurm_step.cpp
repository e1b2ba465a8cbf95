// Helpers as an overlapping step of their own in the program's Slurm allocation, for programs that srun started: MPI_Comm_spawn
// never returns there. docs/decisions/0005-slurm-step.md tells why each option and each removed variable is there.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "launch/child.hpp"
#include "launch/launcher.hpp"

namespace holdfast::launch {
namespace {

constexpr int pause_ms = 20;
/// How long a step that failed gets to end by itself.
constexpr double terminate_timeout_s = 5;

Error failure(const std::string& sentence) {
  return {ErrorCode::launch, sentence, {.host = host_name()}};
}

/// Describes the program's own step or its MPI, and would lead the helpers' srun and MPI astray.
bool belongs_to_the_training_step(std::string_view variable) {
  constexpr std::array kept = {"OMPI_MCA_", "OMPI_ALLOW"};
  constexpr std::array removed = {"PMIX",
                                  "PMI_",
                                  "OMPI_",
                                  "SLURM_STEP",
                                  "SLURM_PROCID",
                                  "SLURM_LOCALID",
                                  "SLURM_NODEID",
                                  "SLURM_TASK",
                                  "SLURM_NTASKS",
                                  "SLURM_NPROCS",
                                  "SLURM_LAUNCH",
                                  "SLURM_SRUN",
                                  "SLURM_CPU_BIND",
                                  "SLURM_DISTRIBUTION",
                                  "SLURM_GTIDS",
                                  "SLURM_CPUS_PER",
                                  "SLURM_MEM_",
                                  "SLURM_HINT",
                                  "SLURM_EXACT",
                                  "SLURM_OVERCOMMIT",
                                  "SRUN_CPUS_PER",
                                  "SLURM_EXCLUSIVE",
                                  "SLURM_PMIX",
                                  "SLURM_MPI_TYPE",
                                  "SLURM_THREADS_PER"};
  const auto begins = [&](std::string_view prefix) { return variable.starts_with(prefix); };
  return std::ranges::none_of(kept, begins) && std::ranges::any_of(removed, begins);
}

std::vector<std::string> environment_of_step() {
  std::vector<std::string> variables = environment();
  std::erase_if(variables, belongs_to_the_training_step);
  return variables;
}

/// How many helpers each node gets; srun can only start the same number everywhere.
int helpers_per_node(const std::vector<std::string>& hosts) {
  std::map<std::string_view, int> counts;
  for (const std::string& host : hosts) ++counts[host];
  const auto [least, most] = std::ranges::minmax_element(counts, {}, [](const auto& entry) { return entry.second; });
  if (least->second != most->second)
    throw failure(
        fmt::format("srun starts as many helpers on each node, but Options::ranks_per_helper asks for {} on {} and {} on {}",
                    least->second, least->first, most->second, most->first));
  return most->second;
}

std::vector<std::string> command(const StartRequest& request) {
  const std::vector<std::string>& hosts = request.placement.hosts;
  const std::set<std::string> nodes(hosts.begin(), hosts.end());
  return {"srun",
          "--overlap",
          fmt::format("--nodes={}", nodes.size()),
          fmt::format("--nodelist={}", fmt::join(nodes, ",")),
          fmt::format("--ntasks={}", hosts.size()),
          fmt::format("--ntasks-per-node={}", helpers_per_node(hosts)),
          "--cpus-per-task=1",
          "--cpu-bind=none",
          "--mem=0",
          "--mpi=pmix",
          "--kill-on-bad-exit=1",
          "--job-name=holdfast-helper",
          request.program.string(),
          "--nonce",
          request.nonce,
          "--timeout",
          std::to_string(request.timeout_s)};
}

class SlurmStepLauncher final : public HelperLauncher {
 public:
  /// A step that nobody finished goes on: a save may still be under way.
  ~SlurmStepLauncher() override {
    if (step_) step_->release();
  }

  [[nodiscard]] std::string name() const override { return std::string(name_of(Launcher::slurm_step)); }

  [[nodiscard]] std::string node_name() const override {
    const char* name = std::getenv("SLURMD_NODENAME");
    return name != nullptr ? name : HelperLauncher::node_name();
  }

  [[nodiscard]] std::string advice() const override { return "; Launcher::reserved_ranks needs no second step"; }

  void start(const mpi::Communicator& comm, const StartRequest& request) override {
    mpi::all_or_none(comm, [&] {
      if (comm.rank() == 0) start_step(request);
    });
  }

  void give_up() noexcept override {
    if (step_) step_->terminate(Deadline(Seconds(terminate_timeout_s)));
  }

  [[nodiscard]] bool finish(transport::Connection& connection, Deadline deadline) noexcept override {
    const bool ended = HelperLauncher::finish(connection, deadline);
    if (!step_ || step_->wait(deadline)) return ended;
    log::warning("the helpers' srun has not ended after their ranks left them; ending it");
    give_up();
    return false;
  }

 private:
  void start_step(const StartRequest& request) {
    step_.emplace(command(request), environment_of_step(), -1);
    try {
      wait_for_helper(request);
    } catch (...) {
      give_up();
      throw;
    }
  }

  /// Until the helper of this node listens, or srun gives up: what it says goes to standard error.
  void wait_for_helper(const StartRequest& request) {
    const transport::Address address = transport::helper_address(request.nonce, request.placement.number_on_node);
    while (!transport::is_listening(address)) {
      if (step_->wait(Deadline(Seconds(0))))
        throw failure(fmt::format("the helpers' srun ended with {} before they listened", *step_->end()));
      if (request.deadline.over()) throw failure("the helpers' srun did not start them in time (Options::launch_timeout_s)");
      poll(nullptr, 0, request.deadline.poll_ms(pause_ms));
    }
  }

  std::optional<Child> step_;  ///< srun, on rank 0
};

}  // namespace

std::unique_ptr<HelperLauncher> make_slurm_step_launcher() {
  return std::make_unique<SlurmStepLauncher>();
}

}  // namespace holdfast::launch
