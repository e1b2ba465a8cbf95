// Starts helpers as an overlapping step in the program's Slurm allocation, for programs that srun started:
// MPI_Comm_spawn never returns there. docs/decisions/0005-slurm-step.md gives the reason for each option and each
// removed variable.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>
#include <string_view>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "launch/process_launcher.hpp"
#include "settings/text.hpp"

namespace holdfast::launch {
namespace {

/// Time that srun has to end its step.
constexpr double terminate_timeout_s = 5;

Error failure(const std::string& sentence) {
  return {ErrorCode::launch, sentence, {.host = host_name()}};
}

/// With Slurm's default of SLURM_PMIX_FENCE ("mixed"), a helper leaves MPI_Init before others are ready for its
/// messages, and crashes them: one start in 30 on 4 nodes. The program's own setting is kept.
std::vector<std::string> environment_of_step() {
  std::vector<std::string> variables = environment_of_another_job();
  const char* fence = std::getenv("SLURM_PMIX_FENCE");
  variables.push_back(fmt::format("SLURM_PMIX_FENCE={}", fence != nullptr ? fence : "tree"));
  return variables;
}

/// On a cluster without binding, srun complains about --cpu-bind. On one with binding, SLURM_CPU_BIND_TYPE is set in
/// each task.
bool tasks_may_be_bound() {
  const bool in_a_task = std::getenv("SLURM_STEP_ID") != nullptr;
  return !in_a_task || std::getenv("SLURM_CPU_BIND_TYPE") != nullptr;
}

/// Returns the number of helpers of each node. Throws if nodes differ, as srun starts the same number everywhere.
int helpers_per_node(const std::vector<std::string>& hosts) {
  std::map<std::string_view, int> counts;
  for (const std::string& host : hosts) ++counts[host];
  const auto [least, most] = std::ranges::minmax_element(counts, {}, [](const auto& entry) { return entry.second; });
  if (least->second != most->second)
    throw failure(fmt::format(
        "srun starts as many helpers on each node, but Options::ranks_per_helper asks for {} on {} and {} on {}",
        least->second, least->first, most->second, most->first));
  return most->second;
}

std::vector<std::string> command(const StartRequest& request) {
  const std::vector<std::string>& hosts = request.placement.hosts;
  const std::set<std::string> nodes(hosts.begin(), hosts.end());
  std::vector<std::string> words = {"srun",
                                    "--overlap",
                                    fmt::format("--nodes={}", nodes.size()),
                                    fmt::format("--nodelist={}", fmt::join(nodes, ",")),
                                    fmt::format("--ntasks={}", hosts.size()),
                                    fmt::format("--ntasks-per-node={}", helpers_per_node(hosts)),
                                    "--cpus-per-task=1",
                                    "--mem=0",
                                    "--mpi=pmix",
                                    "--kill-on-bad-exit=0",
                                    "--job-name=holdfast-helper"};
  if (tasks_may_be_bound()) words.emplace_back("--cpu-bind=none");
  words.push_back(request.program.string());
  std::ranges::copy(helper_arguments(request), std::back_inserter(words));
  return words;
}

/// When a step ends, Slurm signals its tasks and their descendants, and an srun that is signalled ends its own step: so
/// srun is no descendant of this process.
class SlurmStepLauncher final : public ProcessLauncher {
 public:
  SlurmStepLauncher() : ProcessLauncher("the helpers' srun") {}

  [[nodiscard]] std::string name() const override { return settings::in_words(Launcher::slurm_step); }

  [[nodiscard]] std::string node_name() const override {
    const char* name = std::getenv("SLURMD_NODENAME");
    return name != nullptr ? name : HelperLauncher::node_name();
  }

  [[nodiscard]] std::string advice() const override { return "; Launcher::reserved_ranks needs no second step"; }

  /// srun ends its step first.
  void give_up() noexcept override {
    if (process() != nullptr && !process()->end(SIGTERM, Deadline(Seconds(terminate_timeout_s))))
      log::warning("srun (pid {}) does not end", process()->pid());
  }

  [[nodiscard]] bool finish(transport::Connection& connection, Deadline deadline) noexcept override {
    const bool ended = HelperLauncher::finish(connection, deadline);
    if (!ended) {
      connection.kill_helper();  // Slurm does so only after KillWait
      give_up();
    } else if (process() != nullptr) {
      static_cast<void>(process()->has_ended(deadline));
    }
    return ended;
  }

 private:
  [[nodiscard]] DetachedProcess begin(const StartRequest& request) override {
    return {command(request), environment_of_step(), request.deadline};
  }
};

}  // namespace

std::unique_ptr<HelperLauncher> make_slurm_step_launcher() {
  return std::make_unique<SlurmStepLauncher>();
}

}  // namespace holdfast::launch
