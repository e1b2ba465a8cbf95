#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "wrap/io_uring.hpp"

namespace holdfast {

/// Reads and writes of one file, several under way at once: through io_uring, or, where the system does not have it,
/// allow it, or HOLDFAST_IO_URING is "off", one after the other by pread(2) and pwrite(2). One thread uses a queue.
/// Memory that is being written must stay as it is; the destructor waits for what is under way.
class IoQueue {
 public:
  struct FailedTransfer {
    std::uint64_t offset = 0;
    int number = 0;  ///< errno; ENODATA where a read met the end of the file
  };

  /// `fd` is borrowed. At most `slots` transfers are under way.
  IoQueue(int fd, unsigned slots);
  ~IoQueue();
  IoQueue(const IoQueue&) = delete;
  IoQueue& operator=(const IoQueue&) = delete;

  /// A slot with nothing under way; waits for one if it has to.
  [[nodiscard]] std::size_t acquire();
  /// Starts a transfer in a slot with nothing under way. After a failure nothing more is started.
  void write(std::size_t slot, const std::byte* data, std::uint64_t bytes, std::uint64_t offset);
  void read(std::size_t slot, std::byte* data, std::uint64_t bytes, std::uint64_t offset);
  /// Waits until nothing is under way in this slot, or in any.
  void wait(std::size_t slot);
  void drain();

  /// The first transfer that failed, as far as acquire(), wait() and drain() saw.
  [[nodiscard]] const std::optional<FailedTransfer>& failure() const noexcept { return failure_; }
  /// How it writes: "io_uring" or "pwrite".
  [[nodiscard]] const char* method() const noexcept { return ring_ ? "io_uring" : "pwrite"; }

 private:
  void start(std::size_t slot, const Transfer& transfer);
  void carry_out(const Transfer& transfer);
  void reap();
  void note(const Transfer& transfer, int number) noexcept;

  int fd_;
  std::vector<Transfer> transfers_;
  std::size_t under_way_ = 0;
  std::optional<FailedTransfer> failure_;
  std::unique_ptr<IoUring> ring_;
};

}  // namespace holdfast
