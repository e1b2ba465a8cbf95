#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <concepts>
#include <filesystem>
#include <holdfast/options.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "settings/attributes.hpp"
#include "wrap/mpi.hpp"

/// Values of options as text, and back. Pure.
namespace holdfast::settings {

/// Names of an enumeration's values, in order. The values count from 0.
template <class Enum>
struct Enumerators;
template <>
struct Enumerators<Launcher> {
  static constexpr std::array<std::string_view, 5> names{"automatic", "spawn", "slurm_step", "reserved_ranks", "child"};
};
template <>
struct Enumerators<Transport> {
  static constexpr std::array<std::string_view, 3> names{"automatic", "mapped", "put"};
};
template <>
struct Enumerators<Engine> {
  static constexpr std::array<std::string_view, 3> names{"automatic", "mpi_io", "direct"};
};
template <>
struct Enumerators<WhenBusy> {
  static constexpr std::array<std::string_view, 3> names{"wait", "skip", "fail"};
};
template <>
struct Enumerators<GoOnFrom> {
  static constexpr std::array<std::string_view, 3> names{"automatic", "loaded", "newest"};
};
template <>
struct Enumerators<Strict> {
  static constexpr std::array<std::string_view, 3> names{"exact", "mine", "common"};
};

template <class T>
concept Number = (std::integral<T> && !std::same_as<T, bool>) || std::floating_point<T>;
using mpi::Hints;

/// "a, b or c".
template <class Enum>
std::string choices() {
  const auto& names = Enumerators<Enum>::names;
  return fmt::format("{} or {}", fmt::join(names.begin(), names.end() - 1, ", "), names.back());
}

// --- to text: in_words(value) returns the value as it stands in an error or a table

/// In quotes, with control characters as "\x0a".
[[nodiscard]] std::string in_words(const std::string& text);
inline std::string in_words(const std::filesystem::path& path) {
  return in_words(path.string());
}
inline std::string in_words(const Attributes& attributes) {
  return to_text(attributes);
}
inline std::string in_words(bool value) {
  return value ? "true" : "false";
}
template <Number T>
std::string in_words(T value) {
  return fmt::format("{}", value);
}
template <class T>
std::string in_words(const std::vector<T>& values) {
  return fmt::format("{}", values);
}
/// Returns the number for a value that is no enumerator.
template <class Enum>
requires std::is_enum_v<Enum> std::string in_words(Enum value) {
  const auto& names = Enumerators<Enum>::names;
  const auto number = static_cast<std::int64_t>(value);
  if (number < 0 || number >= static_cast<std::int64_t>(names.size())) return fmt::format("{}", number);
  return std::string(names[static_cast<std::size_t>(number)]);
}

// --- from text: parse(text, value) sets the value and returns "", or returns what the text has to be instead

inline std::string parse(const std::string& text, std::string& value) {
  value = text;
  return {};
}
inline std::string parse(const std::string& text, std::filesystem::path& value) {
  value = text;
  return {};
}
inline std::string parse(const std::string& text, bool& value) {
  if (text != "0" && text != "1" && text != "true" && text != "false") return "it can be 1 or 0";
  value = text == "1" || text == "true";
  return {};
}
template <Number T>
std::string parse(const std::string& text, T& value) {
  const char* const end = text.data() + text.size();
  T number{};
  const auto [rest, problem] = std::from_chars(text.data(), end, number);
  if (problem != std::errc() || rest != end) return "it has to be a number";
  value = number;
  return {};
}
template <class Enum>
requires std::is_enum_v<Enum> std::string parse(const std::string& text, Enum& value) {
  const auto& names = Enumerators<Enum>::names;
  for (std::size_t number = 0; number < names.size(); ++number)
    if (names[number] == text) {
      value = static_cast<Enum>(number);
      return {};
    }
  return "it can be " + choices<Enum>();
}
/// Numbers such as "10,15".
[[nodiscard]] std::string parse(const std::string& text, std::vector<int>& value);
/// A program, or a JSON array of strings: a program and its arguments.
[[nodiscard]] std::string parse(const std::string& text, std::vector<std::string>& value);
/// Hints such as "key=value;key=value". Adds them behind those of `value`, except for keys that `value` has already.
[[nodiscard]] std::string parse(const std::string& text, Hints& value);

}  // namespace holdfast::settings
