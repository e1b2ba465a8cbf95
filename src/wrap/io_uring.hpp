#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

struct io_uring;

namespace holdfast {

/// A read or a write of a part of a file.
struct Transfer {
  std::byte* data = nullptr;  ///< of a write, not written to
  std::uint64_t bytes = 0;    ///< 0: nothing is under way
  std::uint64_t offset = 0;
  bool is_read = false;
};

/// The kernel's queue of reads and writes. One thread uses it.
class IoUring {
 public:
  /// Null where io_uring is not to be had: a build without liburing, an old kernel, a seccomp filter,
  /// kernel.io_uring_disabled, a memlock limit, or HOLDFAST_IO_URING is "off".
  static std::unique_ptr<IoUring> make(unsigned slots);
  ~IoUring();
  IoUring(const IoUring&) = delete;
  IoUring& operator=(const IoUring&) = delete;

  /// Starts a transfer in a slot with nothing under way. 0, or the errno of a submission that the kernel refused.
  int submit(int fd, std::size_t slot, const Transfer& transfer);

  struct Completion {
    std::size_t slot = 0;
    int bytes_or_error = 0;  ///< an error is a negative errno
  };
  /// Waits for a transfer that is under way.
  Completion wait();

 private:
  explicit IoUring(std::unique_ptr<io_uring> ring);

  std::unique_ptr<io_uring> ring_;
};

}  // namespace holdfast
