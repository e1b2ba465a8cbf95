#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/environment.hpp"
#include "base/error_text.hpp"
#include "base/process.hpp"
#include "launch/launcher.hpp"

namespace holdfast::launch {
namespace {

namespace fs = std::filesystem;
constexpr char helper_name[] = "holdfast-helper";

/// A program that somebody named: no other one is looked for.
fs::path named_helper(const fs::path& path, const char* named_by) {
  if (process::is_executable(path)) return fs::absolute(path);
  throw Error(ErrorCode::launch, fmt::format("the helper program named by {} is not an executable file", named_by),
              {.host = host_name(), .path = path.string()});
}

/// The file that this code was loaded from: the shared library, or the program it was linked into.
fs::path own_file() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&own_file), &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code ignored;
  return fs::canonical(info.dli_fname, ignored);
}

std::vector<fs::path> places() {
  std::vector<fs::path> result;
  std::error_code ignored;
  for (const fs::path& file : {own_file(), fs::canonical("/proc/self/exe", ignored)}) {
    const fs::path folder = file.parent_path();
    if (folder.empty()) continue;
    result.push_back(folder / helper_name);
    result.push_back((folder / ".." / "bin" / helper_name).lexically_normal());
    result.push_back((folder / ".." / ".." / "bin" / helper_name).lexically_normal());  // lib/<machine>/libholdfast.so
  }
  for (const fs::path& folder : process::search_path()) result.push_back(folder / helper_name);
  return result;
}

}  // namespace

fs::path find_helper(const fs::path& option) {
  if (!option.empty()) return named_helper(option, "Options::helper_program");
  if (const std::string variable = environment_variable("HOLDFAST_HELPER"); !variable.empty())
    return named_helper(variable, "HOLDFAST_HELPER");
  const auto candidates = places();
  for (const fs::path& candidate : candidates)
    if (process::is_executable(candidate)) return fs::absolute(candidate);
  std::vector<std::string> looked;
  for (const fs::path& candidate : candidates) looked.push_back(candidate.string());
  throw Error(
      ErrorCode::launch,
      fmt::format(
          "the program holdfast-helper was not found; set HOLDFAST_HELPER or Options::helper_program. Looked for: {}",
          fmt::join(looked, ", ")),
      {.host = host_name()});
}

}  // namespace holdfast::launch
