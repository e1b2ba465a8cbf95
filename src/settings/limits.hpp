#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "settings/text.hpp"

/// Limits of options. Each returns what the value has to be instead, as the end of a sentence; empty if it is good.
/// list_of_cores() and hints() throw Error(invalid_argument) instead. Pure.
namespace holdfast::settings {

inline constexpr auto anything = [](const auto& /*value*/) { return std::string(); };
/// The value is one of the enumerators.
inline constexpr auto enumerator = []<class Enum>(Enum value) {
  const auto number = static_cast<std::int64_t>(value);
  const bool is_good = number >= 0 && number < static_cast<std::int64_t>(Enumerators<Enum>::names.size());
  return is_good ? std::string() : "it can be " + choices<Enum>();
};
[[nodiscard]] std::string not_negative(std::int64_t value);
[[nodiscard]] std::string thread_count(int value);
[[nodiscard]] std::string alignment(std::uint64_t bytes);
/// The owner may read and write, and no bits but those of 0666 are set.
[[nodiscard]] std::string file_mode(std::uint32_t bits);
[[nodiscard]] std::string timeout(double seconds);
[[nodiscard]] std::string step_or_newest(std::int64_t step);
[[nodiscard]] std::string text_without_null(const std::string& text);
[[nodiscard]] std::string some_path(const std::filesystem::path& path);
[[nodiscard]] std::string path_or_none(const std::filesystem::path& path);
[[nodiscard]] std::string list_of_cores(const std::string& list);
[[nodiscard]] std::string hints(const Hints& hints);
/// Empty, or a program and its arguments.
[[nodiscard]] std::string command_line(const std::vector<std::string>& words);

}  // namespace holdfast::settings
