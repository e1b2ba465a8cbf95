#include "launch/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error_text.hpp"
#include "base/process.hpp"

extern char** environ;

namespace holdfast::launch {
namespace {

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

/// What the child starts with: its descriptors, and no signal blocked or ignored.
class Setting {
 public:
  explicit Setting(const std::vector<Child::Passed>& descriptors) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    int last = STDERR_FILENO;
    for (const Child::Passed& fd : descriptors) {
      posix_spawn_file_actions_adddup2(&actions_, fd.here, fd.there);
      last = std::max(last, fd.there);
    }
#if __GLIBC_PREREQ(2, 34)
    posix_spawn_file_actions_addclosefrom_np(&actions_, last + 1);  // MPI's sockets are not closed on exec
#endif
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  }
  ~Setting() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

  [[nodiscard]] const posix_spawn_file_actions_t* actions() const noexcept {
    return &actions_;
  }
  [[nodiscard]] const posix_spawnattr_t* attributes() const noexcept {
    return &attributes_;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

/// True for a variable that describes the program's own step or MPI.
bool belongs_to_this_job(std::string_view variable) {
  constexpr std::array kept = {"OMPI_MCA_", "OMPI_ALLOW"};
  constexpr std::array removed = {
      "PMIX",          "PRTE_",           "HYDI",         "HYDRA_",         "MPI_LOCAL",        "PMI_",
      "OMPI_",         "SLURM_STEP",      "SLURM_PROCID", "SLURM_LOCALID",  "SLURM_NODEID",     "SLURM_TASK",
      "SLURM_NTASKS",  "SLURM_NPROCS",    "SLURM_LAUNCH", "SLURM_SRUN",     "SLURM_CPU_BIND",   "SLURM_DISTRIBUTION",
      "SLURM_GTIDS",   "SLURM_CPUS_PER",  "SLURM_MEM_",   "SLURM_HINT",     "SLURM_EXACT",      "SLURM_OVERCOMMIT",
      "SRUN_CPUS_PER", "SLURM_EXCLUSIVE", "SLURM_PMIX",   "SLURM_MPI_TYPE", "SLURM_THREADS_PER"};
  // What mpirun itself sets among the settings of Open MPI, which are the user's otherwise.
  constexpr std::array set_by_mpirun = {"OMPI_MCA_orte_", "OMPI_MCA_ess", "OMPI_MCA_pmix", "OMPI_MCA_shmem_RUNTIME",
                                        "OMPI_MCA_initial_wdir"};
  const auto begins = [&](std::string_view prefix) { return variable.starts_with(prefix); };
  if (std::ranges::any_of(set_by_mpirun, begins)) return true;
  return std::ranges::none_of(kept, begins) && std::ranges::any_of(removed, begins);
}

/// What the kernel says of a child that it keeps; nothing for one that runs.
std::optional<siginfo_t> end_of(pid_t child) noexcept {
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
    return std::nullopt;
  return info;
}

/// Reads the number that the shell writes.
pid_t read_number(int fd, Deadline deadline) {
  std::string text;
  while (!text.ends_with('\n')) {
    pollfd readable{fd, POLLIN, 0};
    if (deadline.over())
      throw Error(ErrorCode::launch,
                  "the shell that starts the helper does not answer in time (Options::launch_timeout_s)",
                  {.host = host_name()});
    if (poll(&readable, 1, deadline.poll_ms()) <= 0) continue;
    char piece[32];
    const ssize_t count = read(fd, piece, sizeof piece);
    if (count <= 0)
      throw Error(ErrorCode::launch, "the shell that starts the helper ended without a word", {.host = host_name()});
    text.append(piece, static_cast<std::size_t>(count));
  }
  return std::stoi(text);
}

}  // namespace

Child::Child(std::vector<std::string> words, std::vector<std::string> environment,
             const std::vector<Passed>& descriptors) {
  const Setting setting(descriptors);
  const int number = posix_spawnp(&pid_, words[0].c_str(), setting.actions(), setting.attributes(),
                                  pointers(words).data(), pointers(environment).data());
  if (number != 0)
    throw Error(ErrorCode::launch, "the program does not start: " + errno_text(number),
                {.host = host_name(), .path = words[0]});
  process_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
}

Child::~Child() {
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool Child::has_ended(Deadline deadline) const noexcept {
  constexpr int pause_ms = 20;  // where there is no pidfd
  if (process_) return process::has_ended(process_.get(), deadline);
  while (!end_of(pid_)) {
    if (deadline.over()) return false;
    poll(nullptr, 0, deadline.poll_ms(pause_ms));
  }
  return true;
}

std::string Child::how_it_ended() const {
  const std::optional<siginfo_t> end = end_of(pid_);
  if (!end) return "running";
  const bool exited = end->si_code == CLD_EXITED;
  return (exited ? "exit status " : "killed by signal ") + std::to_string(end->si_status);
}

bool Child::has_succeeded() const noexcept {
  const std::optional<siginfo_t> end = end_of(pid_);
  return end && end->si_code == CLD_EXITED && end->si_status == 0;
}

void Child::signal_group(int signal) const noexcept {
  kill(-pid_, signal);
}

DetachedProcess::DetachedProcess(const std::vector<std::string>& words, std::vector<std::string> environment,
                                 Deadline deadline) {
  std::vector<std::string> command = {"sh", "-c", R"("$@" 3>&- & echo $! >&3)", "sh"};
  command.insert(command.end(), words.begin(), words.end());
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    throw Error(ErrorCode::launch, words[0] + " cannot be started: pipe: " + errno_text(errno), {.host = host_name()});
  const FileDescriptor reading(ends[0]);
  FileDescriptor writing(ends[1]);
  const Child shell(command, std::move(environment), {{writing.get(), 3}});
  writing.reset();
  pid_ = read_number(reading.get(), deadline);
  process_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  gone_ = !process_ && errno == ESRCH;
}

bool DetachedProcess::has_ended(Deadline deadline) const noexcept {
  if (gone_ || !process_) return gone_;
  return process::has_ended(process_.get(), deadline);
}

bool DetachedProcess::end(int signal, Deadline deadline) noexcept {
  if (!gone_ && pid_ > 0) {
    if (process_)
      process::send_signal(process_.get(), signal);
    else
      kill(pid_, signal);
    gone_ = has_ended(deadline);
  }
  return gone_;
}

std::vector<std::string> environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  return variables;
}

std::vector<std::string> environment_of_another_job() {
  std::vector<std::string> variables = environment();
  std::erase_if(variables, belongs_to_this_job);
  return variables;
}

}  // namespace holdfast::launch
