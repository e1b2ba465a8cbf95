#pragma once

#include <holdfast/error.hpp>
#include <holdfast/options.hpp>
#include <string>

#include "storage/storage.hpp"

/// The lines of events.jsonl: one JSON object per save and load. docs/format.md lists the fields.
namespace holdfast::storage {

[[nodiscard]] std::string save_event(const SaveRequest& request, const SaveResult& result);
[[nodiscard]] std::string failed_save_event(std::int64_t step, const Error& error);
[[nodiscard]] std::string load_event(const LoadReport& report, int world_size);

/// Now, in UTC: "2025-01-31T23:59:59Z".
[[nodiscard]] std::string utc_now();

}  // namespace holdfast::storage
