#include "job.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>

namespace holdfast::benchmarks {
namespace {

/// The first word after `key` in a file of lines "key value …"; empty if there is none.
std::string value_in(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string word; file >> word;)
    if (word == key && file >> word) return word;
  return {};
}

std::string folder(int pid) {
  return "/proc/" + std::to_string(pid);
}

}  // namespace

std::vector<int> job_processes() {
  std::vector<int> pids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (!std::all_of(name.begin(), name.end(), ::isdigit)) continue;
    if (value_in(entry.path() / "status", "PPid:") == std::to_string(getppid())) pids.push_back(std::stoi(name));
  }
  return pids;
}

std::vector<int> job_helpers() {
  std::vector<int> pids = job_processes();
  std::erase_if(pids, [](int pid) { return value_in(folder(pid) + "/status", "Name:") != "holdfast-helper"; });
  return pids;
}

int cores_of(int pid) {
  cpu_set_t cores{};
  return sched_getaffinity(pid, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 0;
}

double cpu_s(int pid) {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

std::uint64_t memory_bytes(const std::vector<int>& pids) {
  const auto kibibytes = [](const std::string& file, const char* what) {
    return std::stoull("0" + value_in(file, what));
  };
  std::uint64_t sum = kibibytes("/proc/meminfo", "Shmem:");
  for (const int pid : pids) {
    const std::string file = folder(pid) + "/smaps_rollup";
    const std::uint64_t all = kibibytes(file, "Pss:"), shared = kibibytes(file, "Pss_Shmem:");
    if (all == 0) return 0;
    sum += all - std::min(all, shared);
  }
  return sum << 10;
}

std::uint64_t available_bytes() {
  return std::stoull("0" + value_in("/proc/meminfo", "MemAvailable:")) << 10;
}

}  // namespace holdfast::benchmarks
