#include "launch/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/error_text.hpp"

extern char** environ;

namespace holdfast::launch {
namespace {

/// Between two looks whether the child has ended: waiting for one child has no time limit, and the program may have taken
/// SIGCHLD.
constexpr int pause_ms = 10;

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

std::string in_words(int status) {
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

/// What the child starts with: no input, the wanted output, no signal blocked or ignored.
class Setting {
 public:
  explicit Setting(int output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO})
      if (output >= 0) posix_spawn_file_actions_adddup2(&actions_, output, stream);
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
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

  [[nodiscard]] const posix_spawn_file_actions_t* actions() const noexcept { return &actions_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const noexcept { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Child::Child(std::vector<std::string> words, std::vector<std::string> environment, int output) {
  const Setting setting(output);
  const int number = posix_spawnp(&pid_, words[0].c_str(), setting.actions(), setting.attributes(), pointers(words).data(),
                                  pointers(environment).data());
  if (number == 0) return;
  pid_ = -1;
  throw Error(ErrorCode::launch, "the program does not start: " + errno_text(number), {.host = host_name(), .path = words[0]});
}

Child::~Child() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool Child::wait(Deadline deadline) noexcept {
  while (pid_ >= 0) {
    int status = 0;
    const pid_t ended = waitpid(pid_, &status, WNOHANG);
    if (ended == pid_ || (ended < 0 && errno == ECHILD)) {  // the program may have reaped it
      end_ = ended == pid_ ? in_words(status) : "an unknown exit status";
      pid_ = -1;
    } else if (deadline.over()) {
      return false;
    } else {
      poll(nullptr, 0, deadline.poll_ms(pause_ms));
    }
  }
  return true;
}

void Child::terminate(Deadline deadline) noexcept {
  if (pid_ < 0) return;
  kill(pid_, SIGTERM);
  if (wait(deadline)) return;
  kill(pid_, SIGKILL);
  wait(Deadline(Seconds(1)));
}

std::vector<std::string> environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  return variables;
}

}  // namespace holdfast::launch
