#include "base/process.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sstream>
#include <system_error>

namespace holdfast::process {
namespace {

/// A process closes its sockets shortly before its pidfd reports its end; its exit status is known when its parent has
/// reaped it.
constexpr double moment_s = 0.3;
constexpr int pause_ms = 2;

/// struct pidfd_info of Linux 6.15, which the system's headers may lack.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t control_group;
  std::array<std::uint32_t, 11> ids;
  std::int32_t exit_code;
};
constexpr std::uint64_t info_exit = 1 << 3;
constexpr unsigned long get_info = _IOWR(0xFF, 11, PidfdInfo);

std::optional<int> wait_status(int process, Deadline deadline) {
  if (!has_ended(process, deadline)) return std::nullopt;
  for (;;) {
    PidfdInfo info{.mask = info_exit, .control_group = 0, .ids = {}, .exit_code = 0};
    if (ioctl(process, get_info, &info) != 0) return std::nullopt;
    if ((info.mask & info_exit) != 0) return info.exit_code;
    if (deadline.over()) return std::nullopt;
    poll(nullptr, 0, pause_ms);
  }
}

}  // namespace

bool has_ended(int process, Deadline deadline) noexcept {
  if (process < 0) return false;
  pollfd ended{process, POLLIN, 0};
  for (;;) {
    if (poll(&ended, 1, deadline.poll_ms()) > 0) return true;
    if (deadline.over()) return false;
  }
}

bool is_reaped(int process, Deadline deadline) noexcept {
  if (!has_ended(process, deadline)) return false;
  while (syscall(SYS_pidfd_send_signal, process, 0, nullptr, 0) == 0) {
    if (deadline.over()) return false;
    poll(nullptr, 0, pause_ms);
  }
  return true;
}

void send_signal(int process, int signal) noexcept {
  if (process >= 0) syscall(SYS_pidfd_send_signal, process, signal, nullptr, 0);
}

std::string how_it_ended(int process) {
  const std::optional<int> status = wait_status(process, Deadline(Seconds(moment_s)));
  if (!status) return {};
  if (!WIFSIGNALED(*status)) return fmt::format(", exit status {}", WEXITSTATUS(*status));
  const int signal = WTERMSIG(*status);
  const char* name = sigabbrev_np(signal);
  return fmt::format(", killed by signal {} (SIG{})", signal, name != nullptr ? name : "?");
}

bool is_executable(const std::filesystem::path& path) noexcept {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

std::vector<std::filesystem::path> search_path() {
  std::vector<std::filesystem::path> folders;
  const char* path = std::getenv("PATH");
  std::istringstream words(path != nullptr ? path : "");
  for (std::string folder; std::getline(words, folder, ':');)
    if (!folder.empty()) folders.emplace_back(folder);
  return folders;
}

std::filesystem::path find_program(const std::string& name) {
  if (name.find('/') != name.npos) return is_executable(name) ? std::filesystem::path(name) : std::filesystem::path();
  for (const std::filesystem::path& folder : search_path())
    if (is_executable(folder / name)) return folder / name;
  return {};
}

}  // namespace holdfast::process
