#include "storage/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <holdfast/catalog.hpp>
#include <system_error>

#include "base/error_text.hpp"
#include "storage/format.hpp"
#include "storage/reader.hpp"

namespace holdfast::storage {

std::string file_name(std::int64_t step) {
  return fmt::format("{}{:012}{}", format::file_prefix, step, format::file_suffix);
}

std::string partial_name(std::int64_t step, std::string_view nonce) {
  return fmt::format(".{}.{}{}", file_name(step), nonce, format::partial_suffix);
}

std::optional<std::int64_t> parse_file_name(std::string_view name) {
  const std::string_view prefix = format::file_prefix, suffix = format::file_suffix;
  if (!name.starts_with(prefix) || !name.ends_with(suffix) || name.size() < prefix.size() + suffix.size()) return {};
  const std::string_view digits = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  std::int64_t step = -1;
  std::from_chars(digits.data(), digits.data() + digits.size(), step);
  // One name per step: what we would not write ourselves is not ours.
  if (step < 0 || file_name(step) != name) return {};
  return step;
}

bool is_partial_name(std::string_view name) {
  const bool ours =
      name.starts_with(std::string(".") + format::file_prefix) || name.starts_with(std::string(".") + format::latest_link);
  // MPI-IO tries out the file system with files beside ours, "….partial.locktest.0", which a crash leaves behind.
  return ours && name.find(format::partial_suffix) != name.npos;
}

std::vector<std::int64_t> steps_in(const std::filesystem::path& directory) {
  std::vector<std::int64_t> steps;
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error), end;
  for (; !error && entries != end; entries.increment(error))
    if (const auto step = parse_file_name(entries->path().filename().string())) steps.push_back(*step);
  if (error && error != std::errc::no_such_file_or_directory)
    throw Error(ErrorCode::storage, "reading the directory: " + errno_text(error.value()),
                {.rank = -1, .host = host_name(), .path = directory.string(), .tensor = {}});
  std::ranges::sort(steps);
  return steps;
}

std::vector<std::int64_t> to_prune(const std::vector<std::int64_t>& steps, int keep_last, std::int64_t keep_every) {
  std::vector<std::int64_t> given_up;
  if (keep_last <= 0) return given_up;
  const std::size_t kept = std::min(steps.size(), static_cast<std::size_t>(keep_last));
  for (const std::int64_t step : std::span(steps).first(steps.size() - kept))
    if (keep_every <= 0 || step % keep_every != 0) given_up.push_back(step);
  return given_up;
}

}  // namespace holdfast::storage

namespace holdfast {
namespace {

CheckpointInfo describe(const std::filesystem::path& path, std::int64_t step) {
  CheckpointInfo info;
  try {
    info = storage::read_info(path);
    if (info.step != step) info.problem = fmt::format("the file says that it is step {}", info.step);
  } catch (const Error& error) {
    info.problem = error.sentence();
    info.path = path;
    std::error_code ignored;  // a file that is gone by now has no size, and its problem is told already
    const auto bytes = std::filesystem::file_size(path, ignored);
    info.file_bytes = ignored ? 0 : bytes;
  }
  info.step = step;
  return info;
}

}  // namespace

std::vector<CheckpointInfo> list_checkpoints(const std::filesystem::path& directory) {
  std::error_code error;
  if (!std::filesystem::exists(directory, error))
    throw Error(ErrorCode::storage, "reading the directory: " + errno_text(error ? error.value() : ENOENT),
                {.rank = -1, .host = host_name(), .path = directory.string(), .tensor = {}});
  std::vector<CheckpointInfo> found;
  for (const std::int64_t step : storage::steps_in(directory))
    found.push_back(describe(directory / storage::file_name(step), step));
  return found;
}

}  // namespace holdfast
