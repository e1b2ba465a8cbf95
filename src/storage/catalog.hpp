#pragma once

#include <cstdint>
#include <filesystem>
#include <holdfast/error.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/lineage.hpp"

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

/// What is in the directory, in the order of steps. Opens each file, some 0.2 ms, but those that `known` has with a lineage: what
/// could not be read may be read now.
[[nodiscard]] std::vector<Entry> entries_in(const std::filesystem::path& directory, const std::vector<Entry>& known = {});

/// A file that may be loaded where no step is given.
struct Candidate {
  std::int64_t step = -1;
  std::optional<Error> problem;  ///< its head cannot be read, so it is only there to be told of
};
/// Newest first: the line, and where their steps would be in it those files whose heads cannot be read.
[[nodiscard]] std::vector<Candidate> candidates_in(const std::filesystem::path& directory);

}  // namespace holdfast::storage
