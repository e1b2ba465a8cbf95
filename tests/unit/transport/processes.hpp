#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/unique_handle.hpp"
#include "transport/connection.hpp"

namespace holdfast::transport::test {

/// A child process whose standard output is read line by line. Killed and collected when destroyed.
class Process {
 public:
  explicit Process(const std::vector<std::string>& command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  void signal(int number) const;
  /// Kills by SIGKILL and collects it.
  void kill();
  /// Waits for its end; the status as of waitpid.
  int wait();
  /// Reads until a line equals `line`; false if it did not come within `timeout_s`.
  bool says(const std::string& line, double timeout_s = 20);
  /// The next line; empty if none came.
  std::string next_line(double timeout_s = 20);

  [[nodiscard]] double cpu_s() const;

 private:
  pid_t pid_ = -1;
  FileDescriptor output_;
  std::string buffer_;
};

[[nodiscard]] std::size_t descriptors_of(pid_t pid);
struct Resident {
  std::size_t own_bytes = 0;
  std::size_t shared_bytes = 0;  ///< shared memory and files
};
[[nodiscard]] Resident resident_of(pid_t pid);

/// A name and nonce that no other test uses.
[[nodiscard]] Address unique_address();

/// A running echo helper, listening on `address`.
[[nodiscard]] std::unique_ptr<Process> start_helper(const Address& address);
[[nodiscard]] std::unique_ptr<Process> start_rank(const Address& address, int rank, const std::string& what);

[[nodiscard]] inline Deadline soon() {
  return Deadline(Seconds(20));
}

/// Asks for an arena and maps it.
[[nodiscard]] std::unique_ptr<Arena> open_arena(Connection& connection, std::uint32_t slot, std::uint64_t bytes);

}  // namespace holdfast::transport::test
