#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <holdfast/version.hpp>
#include <string>

#include "base/error_text.hpp"
#include "base/unique_handle.hpp"
#include "launch/launcher.hpp"

extern char** environ;

namespace holdfast::launch {
namespace {

/// A child of posix_spawn (never fork: the rank may have threads). Killed and reaped when it is left behind.
class Child {
 public:
  Child(const std::string& program, const char* argument, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    char* const arguments[] = {const_cast<char*>(program.c_str()), const_cast<char*>(argument), nullptr};
    failure_ = posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (failure_ != 0) return;
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  /// errno of the start, or 0.
  [[nodiscard]] int failure() const noexcept { return failure_; }

 private:
  pid_t pid_ = -1;
  int failure_ = 0;
};

/// Reads until the end of the output, `enough`, or the deadline; says whether the deadline was what ended it.
bool read_output(int fd, std::string& output, const std::string& enough, Deadline deadline) {
  constexpr std::size_t most = 4096;
  while (output.size() < most && output.find(enough) == std::string::npos) {
    pollfd readable{fd, POLLIN, 0};
    if (deadline.over()) return true;
    if (poll(&readable, 1, deadline.poll_ms(1000)) <= 0) continue;
    char buffer[512];
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count == 0) break;
    if (count > 0) output.append(buffer, static_cast<std::size_t>(count));
  }
  return false;
}

}  // namespace

std::string probe_answer() {
  return fmt::format("holdfast-helper {} protocol {}\n", version(), transport::protocol_version);
}

void probe_helper(const std::filesystem::path& program, Deadline deadline) {
  const auto fail = [&](const std::string& sentence) {
    throw Error(ErrorCode::launch, sentence, {.host = host_name(), .path = program.string()});
  };
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("the helper cannot be tried out: pipe: " + errno_text(errno));
  FileDescriptor reading(ends[0]), writing(ends[1]);
  const Child child(program.string(), "--probe", writing.get());
  if (child.failure() != 0) fail("the helper program does not start: " + errno_text(child.failure()));
  writing.reset();

  std::string output;
  const bool late = read_output(reading.get(), output, probe_answer(), deadline);
  if (output.find(probe_answer()) != std::string::npos) return;
  while (!output.empty() && output.back() == '\n') output.pop_back();
  if (late) fail("the helper program did not answer in time (Options::launch_timeout_s)");
  fail(fmt::format("the helper program is not the holdfast-helper of this library ({}, protocol {}); {}", version(),
                   transport::protocol_version, output.empty() ? "it ended without a word" : "it said: " + output));
}

}  // namespace holdfast::launch
