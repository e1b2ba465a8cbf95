#pragma once

#include <nlohmann/json_fwd.hpp>

#include "storage/read/checkpoint_reader.hpp"

namespace holdfast::cli {

/// A value as JSON: a number, bool, string or array of numbers; per-rank values are an array of {rank, value}. Complex
/// numbers are [real, imaginary]. NaN and infinity, which JSON lacks, are strings. A value longer than 64 KiB is null.
[[nodiscard]] nlohmann::json value_json(const storage::CheckpointReader& file, std::uint32_t dataset);

}  // namespace holdfast::cli
