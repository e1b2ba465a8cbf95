#include "support/processes.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

struct Stat {
  std::string name;                 ///< 15 characters at most; stays until the process is reaped
  std::vector<std::string> fields;  ///< that follow the name; empty if the process is gone
};

Stat stat_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::size_t begin = text.find('('), end = text.rfind(')');
  if (end == std::string::npos) return {};
  std::istringstream rest(text.substr(end + 1));
  return {text.substr(begin + 1, end - begin - 1), {std::istream_iterator<std::string>(rest), {}}};
}

int parent_of(int pid) {
  const Stat stat = stat_of(pid);
  return stat.fields.size() > 1 ? std::stoi(stat.fields[1]) : -1;
}

/// One that is killed is a zombie as soon as its first thread is. It has its files, and so its lines, until the last
/// one is gone.
bool has_ended(const Stat& stat) {
  constexpr std::size_t state = 0, threads = 17;
  return stat.fields.at(state) == "Z" && std::stoi(stat.fields.at(threads)) <= 1;
}

bool is_helper(int pid) {
  const Stat stat = stat_of(pid);
  return stat.name == "holdfast-helper" && !has_ended(stat);
}

bool descends_from(int pid, int ancestor) {
  for (int above = pid; above > 1; above = parent_of(above))
    if (above == ancestor) return true;
  return false;
}

/// mpirun for a rank of mpirun; for a program started alone, the program itself stands above its helpers' daemon, or
/// init.
int job_root() {
  return parent_of(getpid());
}

bool under_srun() {
  return stat_of(job_root()).name.starts_with("slurmstepd");
}

/// Each node of the test cluster is a network namespace. A process that is ending has none any more.
bool shares_network(int pid) {
  std::error_code ignored;
  return fs::read_symlink("/proc/" + std::to_string(pid) + "/ns/net", ignored) == fs::read_symlink("/proc/self/ns/net");
}

constexpr char job_variable[] = "HOLDFAST_TEST_JOB";

/// A helper that a rank has started by itself is no descendant, but has the rank's environment.
bool is_marked(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/environ");
  const std::string wanted = std::string(job_variable) + "=" + std::to_string(job_root());
  for (std::string variable; std::getline(file, variable, '\0');)
    if (variable == wanted) return true;
  return false;
}

bool belongs_to_this_job(int pid) {
  return under_srun() ? shares_network(pid) : descends_from(pid, job_root()) || is_marked(pid);
}

}  // namespace

void mark_helpers_of_this_job() {
  setenv(job_variable, std::to_string(job_root()).c_str(), 1);
}

std::vector<int> helpers_of_this_job() {
  std::vector<int> pids;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (!std::all_of(name.begin(), name.end(), ::isdigit)) continue;
    const int pid = std::stoi(name);
    if (is_helper(pid) && belongs_to_this_job(pid)) pids.push_back(pid);
  }
  return pids;
}

bool is_stopped(int pid) {
  std::error_code gone;
  for (const auto& thread : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    std::ifstream file(thread.path() / "stat");
    const std::string stat((std::istreambuf_iterator<char>(file)), {});
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos || stat.compare(name_end, 4, ") T ") != 0) return false;
  }
  return !gone;
}

double cpu_seconds(int pid) {
  const auto fields = stat_of(pid).fields;
  return static_cast<double>(std::stoul(fields.at(11)) + std::stoul(fields.at(12))) /
         static_cast<double>(sysconf(_SC_CLK_TCK));
}

double user_seconds(int pid) {
  return static_cast<double>(std::stoul(stat_of(pid).fields.at(11))) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

ProcessUse use_of(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream file(folder + "/statm");
  std::uint64_t total = 0, resident = 0;
  file >> total >> resident;
  const auto descriptors = std::distance(fs::directory_iterator(folder + "/fd"), fs::directory_iterator{});
  return {.resident_bytes = resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)),
          .descriptors = static_cast<int>(descriptors)};
}

pid_t fork_one_that_stays() {
  int ends[2];
  if (pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const pid_t child = fork();
  if (child != 0) {
    close(ends[0]);  // the other end is closed when this process ends
    return child;
  }
  close(ends[1]);
  char byte = 0;
  static_cast<void>(!read(ends[0], &byte, 1));
  std::_Exit(0);
}

bool within(std::chrono::seconds time, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return condition();
}

}  // namespace holdfast::test
