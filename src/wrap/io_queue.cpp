#include "wrap/io_queue.hpp"

#include <algorithm>
#include <cerrno>

#include "wrap/positioned_io.hpp"

namespace holdfast {

IoQueue::IoQueue(int fd, unsigned slots) : fd_(fd), transfers_(slots), ring_(IoUring::make(slots)) {}

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
  if (done < transfer.bytes)
    start(slot, {transfer.data + done, transfer.bytes - done, transfer.offset + done, transfer.is_read});
}

void IoQueue::note(const Transfer& transfer, int number) noexcept {
  if (!failure_) failure_ = FailedTransfer{transfer.offset, number};
}

}  // namespace holdfast
