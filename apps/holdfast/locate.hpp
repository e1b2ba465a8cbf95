#pragma once

#include <filesystem>

namespace holdfast::cli {

/// The argument itself, unless there is no such file but it is DIR/100 or DIR/step-100 and that step's file exists.
[[nodiscard]] std::filesystem::path file_named(const std::filesystem::path& argument);

/// The checkpoint that an argument means: file_named(), for a directory its newest one that opens. Throws Error(not_found) where
/// there is none.
[[nodiscard]] std::filesystem::path locate(const std::filesystem::path& argument);

}  // namespace holdfast::cli
