#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace holdfast {

/// Writes to one file, several under way at once: through io_uring, or, where the system does not have it, allow it, or
/// HOLDFAST_IO_URING is "off", one after the other by pwrite(2). One thread uses a queue. Memory that is being written must
/// stay as it is; the destructor waits for what is under way.
class WriteQueue {
 public:
  struct Failure {
    std::uint64_t offset = 0;
    int number = 0;  ///< errno
  };

  /// `fd` is borrowed. At most `slots` writes are under way.
  WriteQueue(int fd, unsigned slots);
  ~WriteQueue();
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;

  /// A slot with nothing under way; waits for one if it has to.
  [[nodiscard]] std::size_t acquire();
  /// Starts a write in a slot that acquire() gave. After a failure nothing more is started.
  void start(std::size_t slot, const std::byte* data, std::uint64_t bytes, std::uint64_t offset);
  /// Waits until nothing is under way.
  void drain();

  /// The first write that failed, as far as acquire() and drain() saw.
  [[nodiscard]] const std::optional<Failure>& failure() const noexcept { return failure_; }
  /// "io_uring" or "pwrite".
  [[nodiscard]] const char* method() const noexcept { return ring_ ? "io_uring" : "pwrite"; }

 private:
  class Ring;
  struct Write {
    const std::byte* data = nullptr;
    std::uint64_t bytes = 0;  ///< 0: nothing is under way
    std::uint64_t offset = 0;
  };

  void reap();
  void note(const Write& write, int number) noexcept;

  int fd_;
  std::vector<Write> writes_;
  std::size_t under_way_ = 0;
  std::optional<Failure> failure_;
  std::unique_ptr<Ring> ring_;
};

}  // namespace holdfast
