// Starts helpers as an overlapping step in the program's Slurm allocation, for programs that srun started:
// MPI_Comm_spawn never returns there. docs/decisions/0005-slurm-step.md gives the reason for each option and each
// removed variable.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/process.hpp"
#include "base/unique_handle.hpp"
#include "launch/child.hpp"
#include "launch/launcher.hpp"
#include "settings/text.hpp"
#include "wrap/mpi_notice.hpp"

namespace holdfast::launch {
namespace {

constexpr int pause_ms = 20;
/// Time that srun has to end its step.
constexpr double terminate_timeout_s = 5;

Error failure(const std::string& sentence) {
  return {ErrorCode::launch, sentence, {.host = host_name()}};
}

/// True for a variable that describes the program's own step or MPI, and would mislead the helpers' srun and MPI.
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

/// With Slurm's default of SLURM_PMIX_FENCE ("mixed"), a helper leaves MPI_Init before others are ready for its
/// messages, and crashes them: one start in 30 on 4 nodes. The program's own setting is kept.
std::vector<std::string> environment_of_step() {
  std::vector<std::string> variables = environment();
  std::erase_if(variables, belongs_to_the_training_step);
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

/// The srun that leads the helpers' step. A shell starts it and exits, so it is no descendant of this process: when a
/// step ends, Slurm signals its tasks and their descendants, and an srun that is signalled ends its own step. The
/// destructor leaves srun running.
class Step {
 public:
  Step(const std::vector<std::string>& command, Deadline deadline) {
    std::vector<std::string> words = {"sh", "-c", R"("$@" 3>&- & echo $! >&3)", "sh"};
    words.insert(words.end(), command.begin(), command.end());
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw failure("srun cannot be started: pipe: " + errno_text(errno));
    const FileDescriptor reading(ends[0]);
    FileDescriptor writing(ends[1]);
    const Child shell(words, environment_of_step(), {{writing.get(), 3}});
    writing.reset();
    pid_ = read_number(reading.get(), deadline);
    process_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    gone_ = !process_ && errno == ESRCH;
  }

  /// Waits until srun has ended. Returns false when the deadline is over first, or where the kernel cannot tell.
  [[nodiscard]] bool has_ended(Deadline deadline) const noexcept {
    if (gone_ || !process_) return gone_;
    return process::has_ended(process_.get(), deadline);
  }
  /// Tells srun to end. It ends its step first.
  void terminate() noexcept {
    if (gone_ || pid_ <= 0) return;
    kill(pid_, SIGTERM);
    if (!has_ended(Deadline(Seconds(terminate_timeout_s)))) log::warning("srun (pid {}) does not end", pid_);
    gone_ = true;
  }

 private:
  static pid_t read_number(int fd, Deadline deadline) {
    std::string text;
    while (!text.ends_with('\n')) {
      pollfd readable{fd, POLLIN, 0};
      if (deadline.over())
        throw failure("the shell that starts srun does not answer in time (Options::launch_timeout_s)");
      if (poll(&readable, 1, deadline.poll_ms()) <= 0) continue;
      char piece[32];
      const ssize_t count = read(fd, piece, sizeof piece);
      if (count <= 0) throw failure("the shell that starts srun ended without a word");
      text.append(piece, static_cast<std::size_t>(count));
    }
    return std::stoi(text);
  }

  pid_t pid_ = -1;
  FileDescriptor process_;
  bool gone_ = false;
};

class SlurmStepLauncher final : public HelperLauncher {
 public:
  [[nodiscard]] std::string name() const override { return settings::in_words(Launcher::slurm_step); }

  [[nodiscard]] std::string node_name() const override {
    const char* name = std::getenv("SLURMD_NODENAME");
    return name != nullptr ? name : HelperLauncher::node_name();
  }

  [[nodiscard]] std::string advice() const override { return "; Launcher::reserved_ranks needs no second step"; }

  /// No rank waits for another here. Rank 0 tells the others if they wait for helpers in vain.
  void start(const mpi::Communicator& comm, const StartRequest& request) override {
    mpi::LocalWork work;
    if (comm.rank() == 0)
      work([&] {
        step_.emplace(command(request), request.deadline);
        wait_for_helper(request);
      });
    failed_.emplace(comm, work.error().has_value());
    if (work.error()) throw Error(*work.error());
    wait_for_helper(request);
  }

  void finish_start() override {
    if (failed_) failed_->finish();
    failed_.reset();
  }

  void give_up() noexcept override {
    if (step_) step_->terminate();
  }

  [[nodiscard]] bool finish(transport::Connection& connection, Deadline deadline) noexcept override {
    const bool ended = HelperLauncher::finish(connection, deadline);
    if (!ended) {
      connection.kill_helper();  // Slurm does so only after KillWait
      give_up();
    } else if (step_) {
      static_cast<void>(step_->has_ended(deadline));
    }
    return ended;
  }

 private:
  /// Waits until this rank's helper listens. Throws if srun ends before; its standard error says why.
  void wait_for_helper(const StartRequest& request) {
    const transport::Address address = transport::helper_address(request.nonce, request.placement.number_on_node);
    while (!transport::is_listening(address)) {
      if ((step_ && step_->has_ended(Deadline(Seconds(0)))) || (failed_ && failed_->says_yes()))
        throw failure("the helpers' srun ended before they listened; its standard error says why");
      if (request.deadline.over())
        throw failure("the helpers' srun did not start them in time (Options::launch_timeout_s)");
      poll(nullptr, 0, request.deadline.poll_ms(pause_ms));
    }
  }

  std::optional<Step> step_;           ///< set on rank 0
  std::optional<mpi::Notice> failed_;  ///< set while the helpers start
};

}  // namespace

std::unique_ptr<HelperLauncher> make_slurm_step_launcher() {
  return std::make_unique<SlurmStepLauncher>();
}

}  // namespace holdfast::launch
