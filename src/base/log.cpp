#include "base/log.hpp"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <holdfast/log.hpp>
#include <mutex>
#include <utility>

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

using LogFunction = std::function<void(LogLevel level, std::string_view line)>;

/// The program's function, and the mutex that guards it and its calls.
struct Taker {
  std::mutex mutex;
  LogFunction function;
};

Taker& taker() {
  static Taker taker;
  return taker;
}

/// Hands the line to the program, if it wants it.
bool is_taken(Level level, std::string_view line) {
  const std::scoped_lock lock(taker().mutex);
  if (!taker().function) return false;
  taker().function(static_cast<LogLevel>(level), line);
  return true;
}

}  // namespace

bool enabled(Level level) noexcept {
  static const Level least = level_from_environment();
  return level >= least && level != Level::off;
}

void write(Level level, std::string_view line) noexcept {
  if (!enabled(level)) return;
  try {
    if (is_taken(level, line)) return;
    const auto name = level_names.at(static_cast<std::size_t>(level));
    const std::string text = fmt::format("holdfast[{} {}] {}: {}\n", host_name(), getpid(), name, line);
    std::fwrite(text.data(), 1, text.size(), stderr);  // stdio locks the stream, so lines of several threads do not mix
  } catch (...) {
    // A log line that cannot be made (no memory), or that the program does not take, must not fail the program.
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

namespace holdfast {

void set_log_function(std::function<void(LogLevel level, std::string_view line)> function) {
  const std::scoped_lock lock(log::taker().mutex);
  log::taker().function = std::move(function);
}

}  // namespace holdfast
