#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace holdfast::launch {

/// A child of posix_spawn (never fork: the rank may have threads), in a session of its own, so that a terminal's signals do
/// not reach it. Its input is /dev/null. Killed and reaped when it is left behind, unless it was let go.
class Child {
 public:
  /// `words[0]` is looked up on PATH. `output` takes what it prints; -1: where this process prints. Throws Error(launch).
  Child(std::vector<std::string> words, std::vector<std::string> environment, int output);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  /// Waits for its end; false when the deadline is over first.
  bool wait(Deadline deadline) noexcept;
  /// How it ended, in words ("exit status 1", "signal 9"); nothing while it runs.
  [[nodiscard]] const std::optional<std::string>& end() const noexcept { return end_; }
  /// Asks it to end (SIGTERM), waits, and kills it if it does not.
  void terminate(Deadline deadline) noexcept;
  /// Lets it run on by itself.
  void release() noexcept { pid_ = -1; }

 private:
  pid_t pid_ = -1;  ///< -1: reaped or let go
  std::optional<std::string> end_;
};

/// This process's environment.
[[nodiscard]] std::vector<std::string> environment();

}  // namespace holdfast::launch
