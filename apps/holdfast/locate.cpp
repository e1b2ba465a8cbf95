#include "locate.hpp"

#include <charconv>
#include <holdfast/error.hpp>
#include <optional>
#include <string>
#include <vector>

#include "storage/directory/catalog.hpp"

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

/// The checkpoint that a run would go on from.
std::filesystem::path newest(const std::filesystem::path& directory) {
  const std::vector<storage::Entry> entries = storage::entries_in(directory);
  if (const storage::Entry* head = storage::head_of(entries)) return directory / storage::file_name(head->step);
  throw Error(ErrorCode::not_found, entries.empty() ? "there is no checkpoint" : "none of the checkpoints opens",
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
