#pragma once

#include <holdfast/checkpoint_reader.hpp>
#include <nlohmann/json_fwd.hpp>

namespace holdfast::cli {

/// A value as JSON: a number, bool, string or array of numbers; per-rank values are an array of {rank, value}. Complex
/// numbers are [real, imaginary]. NaN and infinity, which JSON lacks, are strings. A value longer than 64 KiB is null.
[[nodiscard]] nlohmann::json value_json(const CheckpointReader& file, const SavedEntry& entry);

}  // namespace holdfast::cli
