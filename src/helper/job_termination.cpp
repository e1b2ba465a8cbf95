#include "helper/job_termination.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <string>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/process.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::helper {
namespace {

constexpr double grace_s = 5;
constexpr double kill_timeout_s = 5;

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
      kill(getppid(), SIGTERM);
    }
}

}  // namespace holdfast::helper
