#pragma once

#include <filesystem>
#include <holdfast/error.hpp>
#include <holdfast/options.hpp>
#include <string>

#include "storage/write/checkpoint_file.hpp"

/// The lines of events.jsonl: one JSON object per save and load, and one for the settings in force. docs/format.md
/// lists the fields.
namespace holdfast::storage {

[[nodiscard]] std::string save_event(const SaveRequest& request, const SaveResult& result);
[[nodiscard]] std::string failed_save_event(std::int64_t step, const Error& error);
/// What Options::after_commit did with a checkpoint: `end` says how its program ended.
[[nodiscard]] std::string after_commit_event(std::int64_t step, const std::filesystem::path& file, double seconds,
                                             bool succeeded, const std::string& end);
/// The settings in force, known after the first save.
[[nodiscard]] std::string settings_event(const FileSettings& settings, const std::string& launcher, int writers,
                                         const std::string& copy);
[[nodiscard]] std::string load_event(const LoadReport& report, int world_size);

/// The current time in UTC: "2025-01-31T23:59:59Z".
[[nodiscard]] std::string utc_now();

}  // namespace holdfast::storage
