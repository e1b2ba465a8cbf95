#include "storage/directory/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <holdfast/catalog.hpp>
#include <system_error>

#include "base/error_text.hpp"
#include "storage/directory/pins.hpp"
#include "storage/format/format.hpp"
#include "storage/read/head.hpp"

namespace holdfast::storage {
namespace {

/// Throws as read_head() does, and Error(corrupt) if the file has another step than its name.
Head read_head_of(const std::filesystem::path& directory, std::int64_t step) {
  const std::filesystem::path path = directory / file_name(step);
  Head head = read_head(path);
  if (head.info.step != step)
    throw Error(ErrorCode::corrupt, fmt::format("the file says that it is step {}", head.info.step),
                {.host = host_name(), .path = path.string()});
  return head;
}

}  // namespace

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
  // One name per step: a name that we would not write is not ours.
  if (step < 0 || file_name(step) != name) return {};
  return step;
}

bool is_partial_name(std::string_view name) {
  const bool ours = name.starts_with(std::string(".") + format::file_prefix) ||
                    name.starts_with(std::string(".") + format::latest_link);
  // MPI-IO tests the file system with files beside ours, "….partial.locktest.0", which a crash leaves behind.
  return ours && name.find(format::partial_suffix) != name.npos;
}

bool is_checkpoint_of(const std::filesystem::path& directory, const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::canonical(directory, error);
  if (error) return false;
  const std::filesystem::path file = std::filesystem::canonical(path, error);
  return !error && file.parent_path() == folder && parse_file_name(file.filename().string()).has_value();
}

std::vector<std::int64_t> steps_in(const std::filesystem::path& directory) {
  std::vector<std::int64_t> steps;
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error), end;
  for (; !error && entries != end; entries.increment(error))
    if (const auto step = parse_file_name(entries->path().filename().string())) steps.push_back(*step);
  if (error && error != std::errc::no_such_file_or_directory)
    throw Error(ErrorCode::storage, "reading the directory: " + errno_text(error.value()),
                {.host = host_name(), .path = directory.string()});
  std::ranges::sort(steps);
  return steps;
}

std::vector<Entry> entries_in(const std::filesystem::path& directory, const std::vector<Entry>& known) {
  std::vector<Entry> entries;
  for (const std::int64_t step : steps_in(directory)) {
    const auto before = std::ranges::lower_bound(known, step, {}, &Entry::step);
    if (before != known.end() && before->step == step && before->is_read()) {
      entries.push_back(*before);
      continue;
    }
    try {
      entries.push_back({.step = step, .lineage = read_head_of(directory, step).lineage});
    } catch (const Error& error) {
      entries.push_back({.step = step, .problem = error});
    }
  }
  return entries;
}

std::vector<Candidate> candidates_in(const std::filesystem::path& directory) {
  const std::vector<Entry> entries = entries_in(directory), line = line_of(entries);
  std::vector<Candidate> candidates;
  auto unread = entries.rbegin();
  const auto tell_of_those_above = [&](std::int64_t step) {
    for (; unread != entries.rend() && unread->step > step; ++unread)
      if (!unread->is_read()) candidates.push_back({.step = unread->step, .problem = unread->problem});
  };
  for (auto entry = line.rbegin(); entry != line.rend(); ++entry) {
    tell_of_those_above(entry->step);
    candidates.push_back({.step = entry->step, .problem = {}});
  }
  tell_of_those_above(-1);
  return candidates;
}

}  // namespace holdfast::storage

namespace holdfast {
namespace {

/// Sets `lineage` if the file can be read.
CheckpointInfo describe(const std::filesystem::path& directory, std::int64_t step, storage::Lineage& lineage) {
  try {
    storage::Head head = storage::read_head_of(directory, step);
    lineage = std::move(head.lineage);
    return std::move(head.info);
  } catch (const Error& error) {
    CheckpointInfo info{.step = step, .path = directory / storage::file_name(step)};
    info.problem = error.message();
    std::error_code ignored;  // a file that is gone has no size, and its problem is already noted
    const auto bytes = std::filesystem::file_size(info.path, ignored);
    info.file_bytes = ignored ? 0 : bytes;
    return info;
  }
}

}  // namespace

std::vector<CheckpointInfo> list_checkpoints(const std::filesystem::path& directory) {
  std::error_code error;
  if (!std::filesystem::exists(directory, error))
    throw Error(ErrorCode::storage, "reading the directory: " + errno_text(error ? error.value() : ENOENT),
                {.host = host_name(), .path = directory.string()});
  std::vector<CheckpointInfo> found;
  std::vector<storage::Entry> entries;
  for (const std::int64_t step : storage::steps_in(directory)) {
    storage::Entry& entry = entries.emplace_back(storage::Entry{.step = step});
    found.push_back(describe(directory, step, entry.lineage));
  }
  for (auto& [step, names] : storage::pins_in(directory)) {
    const auto info = std::ranges::lower_bound(found, step, {}, &CheckpointInfo::step);
    if (info != found.end() && info->step == step) info->pins = std::move(names);
  }
  for (const std::int64_t step : storage::abandoned_steps(entries))
    std::ranges::lower_bound(found, step, {}, &CheckpointInfo::step)->is_abandoned = true;
  return found;
}

}  // namespace holdfast
