#include "base/log.hpp"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/error_text.hpp"

namespace holdfast::log {
namespace {

constexpr std::array<std::string_view, 5> level_names = {"debug", "info", "warning", "error", "off"};

Level level_from_environment() noexcept {
  const char* wanted = std::getenv("HOLDFAST_LOG");
  for (std::size_t i = 0; wanted != nullptr && i < level_names.size(); ++i)
    if (level_names[i] == wanted) return static_cast<Level>(i);
  return Level::warning;
}

}  // namespace

bool enabled(Level level) noexcept {
  static const Level least = level_from_environment();
  return level >= least && level != Level::off;
}

void write(Level level, std::string_view line) noexcept {
  if (!enabled(level)) return;
  try {
    const auto name = level_names.at(static_cast<std::size_t>(level));
    const std::string text = fmt::format("holdfast[{} {}] {}: {}\n", host_name(), getpid(), name, line);
    std::fwrite(text.data(), 1, text.size(), stderr);  // stdio locks the stream, so lines of several threads do not mix
  } catch (...) {
    // A log line that cannot be made (no memory) must not fail the program.
  }
}

void write(Level level, fmt::string_view format, fmt::format_args args) noexcept {
  try {
    write(level, fmt::vformat(format, args));
  } catch (...) {
    // As above.
  }
}

}  // namespace holdfast::log
