// Starts the helper as a process of its own, where all ranks are on one node: no MPI has to spawn it, so it works for
// programs started without mpirun and under MPIs that cannot spawn, and it outlives a job that mpirun ends.
// docs/decisions/0037-child.md has the reasons.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <iterator>

#include "base/error_text.hpp"
#include "launch/process_launcher.hpp"
#include "settings/text.hpp"

namespace holdfast::launch {
namespace {

constexpr double kill_timeout_s = 5;

/// The helper is an MPI program of one process, which nobody started: it does not look for an mpirun.
std::vector<std::string> environment_of_helper() {
  std::vector<std::string> variables = environment_of_another_job();
  variables.emplace_back("OMPI_MCA_ess_singleton_isolated=1");
  return variables;
}

class ChildLauncher final : public ProcessLauncher {
 public:
  ChildLauncher() : ProcessLauncher("the helper") {}

  [[nodiscard]] std::string name() const override { return settings::in_words(Launcher::child); }

  [[nodiscard]] std::string advice() const override {
    return "; Launcher::spawn and Launcher::reserved_ranks are other ways";
  }

  void give_up() noexcept override {
    if (process() != nullptr) process()->end(SIGKILL, Deadline(Seconds(kill_timeout_s)));
  }

  /// The system's first process reaps the helper when it comes to it.
  [[nodiscard]] bool finish(transport::Connection& connection, Deadline deadline) noexcept override {
    const bool ended = connection.await_exit(transport::Connection::End::ended, deadline);
    if (!ended) connection.kill_helper();
    return ended;
  }

 private:
  /// Helpers that are started one by one have no communicator to agree by.
  [[nodiscard]] DetachedProcess begin(const StartRequest& request) override {
    const int helpers = request.placement.helpers;
    if (helpers != 1)
      throw Error(ErrorCode::launch,
                  fmt::format("Launcher::child starts one helper, for ranks on one node, and these take {} (several "
                              "nodes, or Options::ranks_per_helper)",
                              helpers),
                  {.host = host_name()});
    std::vector<std::string> words = {request.program.string()};
    std::ranges::copy(helper_arguments(request), std::back_inserter(words));
    return {words, environment_of_helper(), request.deadline};
  }
};

}  // namespace

std::unique_ptr<HelperLauncher> make_child_launcher() {
  return std::make_unique<ChildLauncher>();
}

}  // namespace holdfast::launch
