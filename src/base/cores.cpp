#include "base/cores.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <holdfast/error.hpp>
#include <set>
#include <sstream>

#include "base/error_text.hpp"

namespace holdfast {
namespace {

/// Parses all of `text`; -1 if it is not the number of a core.
int core_number(std::string_view text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
  return error == std::errc() && end == text.end() && number >= 0 && number < CPU_SETSIZE ? number : -1;
}

/// Ignores a thread that has ended meanwhile. A new thread inherits the cores of its parent.
void run_thread_on(int thread, const cpu_set_t& cores, const std::vector<int>& numbers) {
  cpu_set_t now;
  if (sched_setaffinity(thread, sizeof cores, &cores) == 0 && sched_getaffinity(thread, sizeof now, &now) == 0 &&
      CPU_EQUAL(&now, &cores) != 0)
    return;
  if (errno == ESRCH) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("the cores {} cannot all be used by this process", fmt::join(numbers, ", ")),
              {.host = host_name()});
}

}  // namespace

std::vector<int> parse_cores(const std::string& list) {
  std::set<int> cores;
  std::istringstream words(list);
  for (std::string word; std::getline(words, word, ',');) {
    const std::size_t dash = word.find('-');
    const int first = core_number(std::string_view(word).substr(0, dash));
    const int last = dash == word.npos ? first : core_number(std::string_view(word).substr(dash + 1));
    if (first < 0 || last < first)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("\"{}\" is no list of cores, which looks like \"0-3,8\" and has numbers below {}", list,
                              CPU_SETSIZE));
    for (int core = first; core <= last; ++core) cores.insert(core);
  }
  return {cores.begin(), cores.end()};
}

int allowed_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  // Fails on machines with more cores than fit a cpu_set_t.
  return sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : online_cores();
}

int online_cores() {
  return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

void run_on_cores(const std::vector<int>& cores) {
  if (cores.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(core, &set);
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
    run_thread_on(std::stoi(thread.path().filename().string()), set, cores);
}

}  // namespace holdfast
