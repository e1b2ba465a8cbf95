#include "helper/job_termination.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/process.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::helper {
namespace {

constexpr double grace_s = 5;
constexpr double kill_timeout_s = 5;
constexpr double words_timeout_s = 1;

void signal_all(const std::vector<int>& processes, int signal, double timeout_s) noexcept {
  for (const int process : processes) process::send_signal(process, signal);
  const Deadline deadline{Seconds(timeout_s)};
  for (const int process : processes) static_cast<void>(process::has_ended(process, deadline));
}

/// Returns the name by which the parent process was called. Its file is not enough: prterun (mpirun of Open MPI 5) and
/// prte, which serves many jobs, are one file.
std::string parent_program() {
  std::string name;
  std::getline(std::ifstream(fmt::format("/proc/{}/comm", getppid())), name);
  return name;
}

/// Waits until mpirun has read what this process has written to it: once it is told to end, it reads no more, and the
/// job would end without a word.
void await_last_words() noexcept {
  constexpr auto pause = std::chrono::milliseconds(5);
  const Deadline deadline{Seconds(words_timeout_s)};
  int unread = 0;
  while (ioctl(STDERR_FILENO, FIONREAD, &unread) == 0 && unread > 0 && !deadline.over())
    std::this_thread::sleep_for(pause);
}

}  // namespace

void end_processes(const std::vector<int>& processes) noexcept {
  signal_all(processes, SIGTERM, grace_s);
  signal_all(processes, SIGKILL, kill_timeout_s);
}

void end_mpirun() noexcept {
  if (!mpi::job_outlives_a_process()) return;
  const std::string parent = parent_program();
  for (const char* name : {"mpirun", "mpiexec", "orterun", "prterun"})
    if (parent.starts_with(name)) {  // Debian has mpirun.openmpi
      log::info("ending {} (pid {})", parent, getppid());
      await_last_words();
      kill(getppid(), SIGTERM);
    }
}

}  // namespace holdfast::helper
