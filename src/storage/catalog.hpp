#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::storage {

/// "step-000000000100.h5"
[[nodiscard]] std::string file_name(std::int64_t step);
/// ".step-000000000100.h5.<nonce>.partial"
[[nodiscard]] std::string partial_name(std::int64_t step, std::string_view nonce);
/// The step of a committed file's name; nothing for any other name.
[[nodiscard]] std::optional<std::int64_t> parse_file_name(std::string_view name);
[[nodiscard]] bool is_partial_name(std::string_view name);

/// Steps that have a committed file, ascending. Names only: nothing is opened. An absent directory has none; Error(storage)
/// where it cannot be read.
[[nodiscard]] std::vector<std::int64_t> steps_in(const std::filesystem::path& directory);

/// Which of `steps` (ascending) retention gives up. keep_last = 0 keeps everything. Pure.
[[nodiscard]] std::vector<std::int64_t> to_prune(const std::vector<std::int64_t>& steps, int keep_last, std::int64_t keep_every);

}  // namespace holdfast::storage
