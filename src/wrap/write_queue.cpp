#include "wrap/write_queue.hpp"

#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "wrap/positioned_io.hpp"

namespace holdfast {
namespace {

bool is_switched_off() {
  const char* value = std::getenv("HOLDFAST_IO_URING");
  return value != nullptr && std::string_view(value) == "off";
}

}  // namespace

/// One submission queue entry for each slot, which is the write's user data.
class WriteQueue::Ring {
 public:
  /// Nothing where io_uring is not to be had: an old kernel, a seccomp filter, kernel.io_uring_disabled, a memlock limit.
  static std::unique_ptr<Ring> make(unsigned slots) {
    if (is_switched_off()) return nullptr;
    auto ring = std::unique_ptr<Ring>(new Ring);
    if (io_uring_queue_init(slots, &ring->ring_, 0) != 0) return nullptr;
    ring->open_ = true;
    return ring;
  }
  ~Ring() {
    if (open_) io_uring_queue_exit(&ring_);
  }

  /// 0, or the errno of a submission that the kernel refused.
  int submit(int fd, std::size_t slot, const Write& write) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) return EBUSY;
    io_uring_prep_write(entry, fd, write.data, static_cast<unsigned>(write.bytes), write.offset);
    io_uring_sqe_set_data64(entry, slot);
    for (;;) {
      const int submitted = io_uring_submit(&ring_);
      if (submitted >= 0) return 0;
      if (submitted != -EINTR && submitted != -EAGAIN) return -submitted;
    }
  }
  struct Result {
    std::size_t slot = 0;
    int bytes_or_error = 0;
  };
  /// Waits for a write that is under way.
  Result wait() {
    io_uring_cqe* completion = nullptr;
    while (io_uring_wait_cqe(&ring_, &completion) == -EINTR) {
    }
    const Result result{static_cast<std::size_t>(io_uring_cqe_get_data64(completion)), completion->res};
    io_uring_cqe_seen(&ring_, completion);
    return result;
  }

 private:
  Ring() = default;
  io_uring ring_{};
  bool open_ = false;
};

WriteQueue::WriteQueue(int fd, unsigned slots) : fd_(fd), writes_(slots), ring_(Ring::make(slots)) {}

WriteQueue::~WriteQueue() {
  drain();
}

std::size_t WriteQueue::acquire() {
  while (under_way_ == writes_.size()) reap();
  return static_cast<std::size_t>(std::ranges::find(writes_, 0U, &Write::bytes) - writes_.begin());
}

void WriteQueue::start(std::size_t slot, const std::byte* data, std::uint64_t bytes, std::uint64_t offset) {
  if (failure_ || bytes == 0) return;
  const Write write{data, bytes, offset};
  if (!ring_) {
    if (!write_fully(fd_, data, bytes, offset)) note(write, errno);
    return;
  }
  if (const int number = ring_->submit(fd_, slot, write); number != 0) return note(write, number);
  writes_[slot] = write;
  ++under_way_;
}

void WriteQueue::drain() {
  while (under_way_ > 0) reap();
}

/// Waits for one write. What the kernel did not write, or was interrupted at, is started again.
void WriteQueue::reap() {
  const auto [slot, result] = ring_->wait();
  const Write write = writes_[slot];
  writes_[slot] = {};
  --under_way_;
  if (result == -EINTR || result == -EAGAIN) return start(slot, write.data, write.bytes, write.offset);
  if (result <= 0) return note(write, result == 0 ? EIO : -result);
  const auto done = static_cast<std::uint64_t>(result);
  if (done < write.bytes) start(slot, write.data + done, write.bytes - done, write.offset + done);
}

void WriteQueue::note(const Write& write, int number) noexcept {
  if (!failure_) failure_ = Failure{write.offset, number};
}

}  // namespace holdfast
