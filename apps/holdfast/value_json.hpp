#pragma once

#include <nlohmann/json_fwd.hpp>

#include "storage/reader.hpp"

namespace holdfast::cli {

/// A value as JSON: a number, bool, string, an array of numbers; per-rank values as an array of {rank,
/// value}. Complex numbers are [real, imaginary]; what JSON cannot say (NaN, infinity) is a string. null where it is longer than
/// 64 KiB.
[[nodiscard]] nlohmann::json value_json(const storage::CheckpointReader& file, std::uint32_t dataset);

}  // namespace holdfast::cli
