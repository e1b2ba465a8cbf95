#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace holdfast::launch {

/// A child process made by posix_spawn (never fork: the rank may have threads). It has a session of its own, so that a
/// terminal's signals do not reach it, and its standard input is /dev/null. The destructor kills and reaps it.
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

 private:
  pid_t pid_ = -1;
};

/// Returns this process's environment, as NAME=value.
[[nodiscard]] std::vector<std::string> environment();

}  // namespace holdfast::launch
