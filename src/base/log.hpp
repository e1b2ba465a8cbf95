#pragma once

#include <fmt/format.h>

#include <string_view>

namespace holdfast::log {

/// Writes lines such as "holdfast[host pid] warning: …" to stderr. HOLDFAST_LOG sets the lowest level that is shown:
/// debug, info, warning (default), error or off. Thread-safe; never throws.
enum class Level { debug, info, warning, error, off };

void write(Level level, std::string_view line) noexcept;
void write(Level level, fmt::string_view format, fmt::format_args args) noexcept;
[[nodiscard]] bool enabled(Level level) noexcept;

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) noexcept {
  if (enabled(Level::debug)) write(Level::debug, format, fmt::make_format_args(args...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) noexcept {
  if (enabled(Level::info)) write(Level::info, format, fmt::make_format_args(args...));
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) noexcept {
  if (enabled(Level::warning)) write(Level::warning, format, fmt::make_format_args(args...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) noexcept {
  if (enabled(Level::error)) write(Level::error, format, fmt::make_format_args(args...));
}

}  // namespace holdfast::log
