#include "locate.hpp"

#include <algorithm>
#include <charconv>
#include <holdfast/catalog.hpp>
#include <holdfast/error.hpp>
#include <optional>
#include <string>
#include <tuple>

#include "storage/catalog.hpp"

namespace holdfast::cli {
namespace {

/// The step in "100" or "step-100".
std::optional<std::int64_t> step_named(std::string name) {
  const std::string prefix = "step-";
  if (name.starts_with(prefix)) name.erase(0, prefix.size());
  std::int64_t step = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  const bool all = error == std::errc() && end == name.data() + name.size() && step >= 0;
  return all ? std::optional(step) : std::nullopt;
}

/// The one that a run would go on from.
std::filesystem::path newest(const std::filesystem::path& directory) {
  const auto checkpoints = list_checkpoints(directory);
  const auto head = std::ranges::max_element(
      checkpoints, {}, [](const CheckpointInfo& info) { return std::tuple(info.valid(), info.sequence, info.step); });
  if (head != checkpoints.end() && head->valid()) return head->path;
  throw Error(ErrorCode::not_found, checkpoints.empty() ? "there is no checkpoint" : "none of the checkpoints opens",
              {.path = directory.string()});
}

}  // namespace

std::filesystem::path file_named(const std::filesystem::path& argument) {
  const auto step = step_named(argument.filename().string());
  if (std::filesystem::exists(argument) || !step) return argument;
  const auto file = argument.parent_path() / storage::file_name(*step);
  return std::filesystem::exists(file) ? file : argument;
}

std::filesystem::path locate(const std::filesystem::path& argument) {
  if (std::filesystem::is_directory(argument)) return newest(argument);
  const auto file = file_named(argument);
  if (std::filesystem::exists(file)) return file;
  throw Error(ErrorCode::not_found, "there is no such file or directory", {.path = argument.string()});
}

}  // namespace holdfast::cli
