#pragma once

#include <functional>
#include <holdfast/export.hpp>
#include <string_view>

namespace holdfast {

/// How serious a line of the log is.
enum class LogLevel {
  debug,
  info,
  warning,
  error,
};

/// Local. Hands the log lines of this process, from the level of HOLDFAST_LOG on, to `function` instead of writing them
/// to stderr; an empty function undoes that. Lines come without an end of line, from any thread, one at a time; the
/// function may not call the library, and what it throws is dropped. Helpers have a log of their own.
HOLDFAST_API void set_log_function(std::function<void(LogLevel level, std::string_view line)> function);

}  // namespace holdfast
