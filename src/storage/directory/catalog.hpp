#pragma once

#include <cstdint>
#include <filesystem>
#include <holdfast/error.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/format/lineage.hpp"

namespace holdfast::storage {

/// "step-000000000100.h5"
[[nodiscard]] std::string file_name(std::int64_t step);
/// ".step-000000000100.h5.<nonce>.partial"
[[nodiscard]] std::string partial_name(std::int64_t step, std::string_view nonce);
/// The step in the name of a committed file; empty for any other name.
[[nodiscard]] std::optional<std::int64_t> parse_file_name(std::string_view name);
[[nodiscard]] bool is_partial_name(std::string_view name);

/// Whether the path leads to a checkpoint file of the directory, under its name or by links. False where that cannot be
/// told.
[[nodiscard]] bool is_checkpoint_of(const std::filesystem::path& directory, const std::filesystem::path& path);

/// Steps that have a committed file, ascending. Reads names only. An absent directory has none. Throws Error(storage)
/// if the directory cannot be read.
[[nodiscard]] std::vector<std::int64_t> steps_in(const std::filesystem::path& directory);

/// The committed files of the directory, by step. Opens each file, some 0.2 ms, except those that `known` has with a
/// lineage; files that could not be read are tried again.
[[nodiscard]] std::vector<Entry> entries_in(const std::filesystem::path& directory,
                                            const std::vector<Entry>& known = {});

/// A file that may be loaded if no step is given.
struct Candidate {
  std::int64_t step = -1;
  std::optional<Error> problem;  ///< why the header cannot be read; such a file is only reported
};
/// The line, newest first. Files whose header cannot be read stand where their steps would be.
[[nodiscard]] std::vector<Candidate> candidates_in(const std::filesystem::path& directory);

}  // namespace holdfast::storage
