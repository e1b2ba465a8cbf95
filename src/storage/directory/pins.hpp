#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace holdfast::storage {

/// The pinned checkpoints of a directory: by step, the names of the links that lead to it, sorted. `latest` is none.
/// Throws Error(storage) if the directory cannot be read.
[[nodiscard]] std::map<std::int64_t, std::vector<std::string>> pins_in(const std::filesystem::path& directory);

}  // namespace holdfast::storage
