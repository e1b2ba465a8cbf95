#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/unique_handle.hpp"

namespace holdfast::launch {

/// A child process made by posix_spawn (never fork: the rank may have threads). It has a session of its own, so that a
/// terminal's signals do not reach it, its standard input is /dev/null, and of the other descriptors it has output,
/// errors and those that are passed. The destructor kills and reaps it.
class Child {
 public:
  /// An open descriptor of this process, and its number in the child.
  struct Passed {
    int here;
    int there;
  };
  /// `words[0]` is looked up on PATH. Throws Error(launch).
  Child(std::vector<std::string> words, std::vector<std::string> environment, const std::vector<Passed>& descriptors);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  /// Waits until it has ended; false if the deadline is over first.
  [[nodiscard]] bool has_ended(Deadline deadline) const noexcept;
  /// "exit status 3" or "killed by signal 9", once it has ended.
  [[nodiscard]] std::string how_it_ended() const;
  /// True if it has ended with exit status 0.
  [[nodiscard]] bool has_succeeded() const noexcept;
  /// Sends the signal to the child and to all that it started, unless these have left its process group.
  void signal_group(int signal) const noexcept;

 private:
  pid_t pid_ = -1;
  FileDescriptor process_;  ///< pidfd, if the kernel has them
};

/// A process that is no descendant of this one: a shell starts it and exits. The destructor leaves it running.
class DetachedProcess {
 public:
  /// `words[0]` is looked up on PATH. Throws Error(launch) where the shell does not start it by the deadline.
  DetachedProcess(const std::vector<std::string>& words, std::vector<std::string> environment, Deadline deadline);

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Waits until it has ended. Returns false when the deadline is over first, or where the kernel cannot tell.
  [[nodiscard]] bool has_ended(Deadline deadline) const noexcept;
  /// Sends the signal, and waits as long for the end. Returns whether it came.
  bool end(int signal, Deadline deadline) noexcept;

 private:
  pid_t pid_ = -1;
  FileDescriptor process_;
  bool gone_ = false;
};

/// Returns this process's environment, as NAME=value.
[[nodiscard]] std::vector<std::string> environment();
/// The same without what describes the program's own MPI and Slurm step, and would mislead another one's. MPI's
/// settings stay.
[[nodiscard]] std::vector<std::string> environment_of_another_job();

}  // namespace holdfast::launch
