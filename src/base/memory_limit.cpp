#include "base/memory_limit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <locale>
#include <sstream>
#include <string_view>
#include <vector>

#include "base/error_text.hpp"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

/// File and row names in one version of control groups.
struct Version {
  const char *limit, *usage;
  std::array<std::string_view, 2> reclaimable;  ///< rows of memory.stat, to be summed; none includes shared memory
};
constexpr Version version_1 = {
    "memory.limit_in_bytes", "memory.usage_in_bytes", {"total_inactive_file", "total_active_file"}};
constexpr Version version_2 = {"memory.max", "memory.current", {"inactive_file", "active_file"}};

/// A hierarchy of control groups that counts memory, and this process's group in it.
struct Hierarchy {
  const Version* version;
  fs::path mount;
  fs::path group;  ///< relative to the mount
};

bool lists(const std::string& words, std::string_view word) {
  std::istringstream stream(words);
  for (std::string entry; std::getline(stream, entry, ',');)
    if (entry == word) return true;
  return false;
}

/// The group in /proc/self/cgroup, from a line "4:memory:/path" (version 1) or "0::/path" (version 2).
std::optional<fs::path> group_of(const fs::path& membership, bool first_version) {
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {
    const std::size_t one = line.find(':'), two = line.find(':', one + 1);
    if (two == line.npos) continue;
    const std::string controllers = line.substr(one + 1, two - one - 1);
    if (first_version ? lists(controllers, "memory") : controllers.empty())
      return fs::path(line.substr(two + 1)).relative_path();
  }
  return std::nullopt;
}

std::vector<Hierarchy> hierarchies(const ControlGroupFiles& files) {
  std::vector<Hierarchy> found;
  std::ifstream mounts(files.mounts);
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string device, mount, type, options;
    words >> device >> mount >> type >> options;
    const bool first_version = type == "cgroup" && lists(options, "memory");
    if (!first_version && type != "cgroup2") continue;
    if (auto group = group_of(files.membership, first_version))
      found.push_back({first_version ? &version_1 : &version_2, mount, std::move(*group)});
  }
  return found;
}

/// The kernel's numbers do not follow the program's locale.
std::ifstream open_for_numbers(const fs::path& path) {
  std::ifstream file(path);
  file.imbue(std::locale::classic());
  return file;
}

/// The number in a file; none if there is no such file or no number in it ("max").
std::optional<std::uint64_t> number_in(const fs::path& path) {
  std::ifstream file = open_for_numbers(path);
  std::uint64_t number = 0;
  if (!(file >> number)) return std::nullopt;
  return number;
}

std::uint64_t reclaimable_bytes(const fs::path& group, const Version& version) {
  std::ifstream file = open_for_numbers(group / "memory.stat");
  std::uint64_t sum = 0, bytes = 0;
  for (std::string name; file >> name >> bytes;)
    if (std::ranges::find(version.reclaimable, name) != version.reclaimable.end()) sum += bytes;
  return sum;
}

std::optional<MemoryLimit> limit_of(const fs::path& group, const Version& version) {
  constexpr std::uint64_t no_limit = std::uint64_t{1} << 60;  // version 1 reports a number near 2^63 for no limit
  const auto limit = number_in(group / version.limit), usage = number_in(group / version.usage);
  if (!limit || !usage || *limit >= no_limit) return std::nullopt;
  const std::uint64_t used = *usage - std::min(*usage, reclaimable_bytes(group, version));
  return MemoryLimit{.left_bytes = *limit - std::min(*limit, used), .limit_bytes = *limit, .group = group.string()};
}

}  // namespace

std::optional<MemoryLimit> memory_limit(const ControlGroupFiles& files) {
  std::optional<MemoryLimit> tightest;
  for (const Hierarchy& hierarchy : hierarchies(files)) {
    for (fs::path group = hierarchy.group;; group = group.parent_path()) {
      const auto limit = limit_of((hierarchy.mount / group).lexically_normal(), *hierarchy.version);
      if (limit && (!tightest || limit->left_bytes < tightest->left_bytes)) tightest = limit;
      if (group.empty()) break;
    }
  }
  return tightest;
}

void require_memory(std::uint64_t bytes, const std::string& what, const ControlGroupFiles& files) {
  const auto limit = memory_limit(files);
  if (!limit || limit->left_bytes >= bytes) return;
  throw Error(
      ErrorCode::out_of_memory,
      fmt::format("{} needs {} bytes of memory; of the {} bytes that this process's control group may use, {} are left "
                  "(in a Slurm job, ask for more with --mem)",
                  what, bytes, limit->limit_bytes, limit->left_bytes),
      {.host = host_name(), .path = limit->group});
}

}  // namespace holdfast
