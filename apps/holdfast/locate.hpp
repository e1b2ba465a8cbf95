#pragma once

#include <filesystem>

namespace holdfast::cli {

/// The file of the step in an argument DIR/100 or DIR/step-100, if that file exists and the argument does not;
/// otherwise the argument.
[[nodiscard]] std::filesystem::path file_named(const std::filesystem::path& argument);

/// The checkpoint that an argument names: the newest readable one of a directory, otherwise file_named(). Throws
/// Error(not_found) if there is none.
[[nodiscard]] std::filesystem::path locate(const std::filesystem::path& argument);

}  // namespace holdfast::cli
