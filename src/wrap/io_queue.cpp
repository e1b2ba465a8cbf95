#include "wrap/io_queue.hpp"

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

/// One submission queue entry for each slot, which is the transfer's user data.
class IoQueue::Ring {
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
  int submit(int fd, std::size_t slot, const Transfer& transfer) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) return EBUSY;
    const auto bytes = static_cast<unsigned>(transfer.bytes);
    if (transfer.is_read)
      io_uring_prep_read(entry, fd, transfer.data, bytes, transfer.offset);
    else
      io_uring_prep_write(entry, fd, transfer.data, bytes, transfer.offset);
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
  /// Waits for a transfer that is under way.
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

IoQueue::IoQueue(int fd, unsigned slots) : fd_(fd), transfers_(slots), ring_(Ring::make(slots)) {}

IoQueue::~IoQueue() {
  drain();
}

std::size_t IoQueue::acquire() {
  while (under_way_ == transfers_.size()) reap();
  return static_cast<std::size_t>(std::ranges::find(transfers_, 0U, &Transfer::bytes) - transfers_.begin());
}

void IoQueue::write(std::size_t slot, const std::byte* data, std::uint64_t bytes, std::uint64_t offset) {
  start(slot, {const_cast<std::byte*>(data), bytes, offset, false});
}

void IoQueue::read(std::size_t slot, std::byte* data, std::uint64_t bytes, std::uint64_t offset) {
  start(slot, {data, bytes, offset, true});
}

void IoQueue::wait(std::size_t slot) {
  while (transfers_[slot].bytes != 0) reap();
}

void IoQueue::drain() {
  while (under_way_ > 0) reap();
}

void IoQueue::start(std::size_t slot, const Transfer& transfer) {
  if (failure_ || transfer.bytes == 0) return;
  if (!ring_) return carry_out(transfer);
  if (const int number = ring_->submit(fd_, slot, transfer); number != 0) return note(transfer, number);
  transfers_[slot] = transfer;
  ++under_way_;
}

/// Without a ring.
void IoQueue::carry_out(const Transfer& transfer) {
  if (!transfer.is_read) {
    if (!write_fully(fd_, transfer.data, transfer.bytes, transfer.offset)) note(transfer, errno);
    return;
  }
  const ssize_t got = read_available(fd_, transfer.data, transfer.bytes, transfer.offset);
  if (got != static_cast<ssize_t>(transfer.bytes)) note(transfer, got < 0 ? errno : ENODATA);
}

/// Waits for one transfer. What the kernel did not do, or was interrupted at, is started again.
void IoQueue::reap() {
  const auto [slot, result] = ring_->wait();
  const Transfer transfer = transfers_[slot];
  transfers_[slot] = {};
  --under_way_;
  if (result == -EINTR || result == -EAGAIN) return start(slot, transfer);
  if (result < 0) return note(transfer, -result);
  if (result == 0) return note(transfer, transfer.is_read ? ENODATA : EIO);
  const auto done = static_cast<std::uint64_t>(result);
  if (done < transfer.bytes) start(slot, {transfer.data + done, transfer.bytes - done, transfer.offset + done, transfer.is_read});
}

void IoQueue::note(const Transfer& transfer, int number) noexcept {
  if (!failure_) failure_ = Failure{transfer.offset, number};
}

}  // namespace holdfast
