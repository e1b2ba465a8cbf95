#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <holdfast/options.hpp>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"

namespace holdfast::launch {
class Child;
}

namespace holdfast::helper {

/// Runs Options::after_commit for one checkpoint after the other, in a thread of its own. Thread-safe.
class AfterCommit {
 public:
  /// Notes the umask of the process, which the programs get. `ended` is called in the thread when one is over.
  explicit AfterCommit(std::function<void()> ended);
  /// Calls end().
  ~AfterCommit();
  AfterCommit(const AfterCommit&) = delete;
  AfterCommit& operator=(const AfterCommit&) = delete;

  /// Throws Error(invalid_argument) if options.after_commit names a program that is not there. Called before add().
  void open(const Options& options);
  /// True if there is a program to run.
  [[nodiscard]] bool is_wanted() const noexcept { return !options_.after_commit.empty(); }
  void add(std::int64_t step, const std::filesystem::path& file);
  /// Steps of the checkpoints whose programs are not over.
  [[nodiscard]] std::set<std::int64_t> steps() const;
  /// Waits until all are over; at the deadline, ends the one that runs and drops the others.
  void finish(Deadline deadline) noexcept;
  /// Kills the program that runs and drops the others.
  void end() noexcept { finish(Deadline(Seconds(0))); }

 private:
  struct Checkpoint {
    std::int64_t step = -1;
    std::filesystem::path file;
  };

  void work();
  void run(const Checkpoint& checkpoint);
  [[nodiscard]] std::string await(const launch::Child& program) const;
  [[nodiscard]] bool is_time_over() const;
  [[nodiscard]] std::vector<std::string> command_for(const std::filesystem::path& file) const;
  void tell(const Checkpoint& checkpoint, double seconds, bool succeeded, const std::string& end) const;

  std::function<void()> ended_;
  std::uint32_t umask_;
  Options options_;
  mutable std::mutex mutex_;  ///< guards what follows
  std::condition_variable changed_;
  std::deque<Checkpoint> checkpoints_;  ///< the first one's program runs
  bool leaves_ = false;                 ///< nothing is added any more
  std::optional<Deadline> deadline_;    ///< of finish()
  std::jthread thread_;                 ///< from the first add() on
};

}  // namespace holdfast::helper
