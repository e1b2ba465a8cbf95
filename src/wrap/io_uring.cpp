#include "wrap/io_uring.hpp"

#include <liburing.h>

#include <cerrno>
#include <utility>

#include "base/environment.hpp"

namespace holdfast {
namespace {

bool is_switched_off() {
  return environment_variable("HOLDFAST_IO_URING") == "off";
}

}  // namespace

std::unique_ptr<IoUring> IoUring::make(unsigned slots) {
  if (is_switched_off()) return nullptr;
  auto ring = std::make_unique<io_uring>();
  if (io_uring_queue_init(slots, ring.get(), 0) != 0) return nullptr;
  return std::unique_ptr<IoUring>(new IoUring(std::move(ring)));
}

IoUring::IoUring(std::unique_ptr<io_uring> ring) : ring_(std::move(ring)) {}

IoUring::~IoUring() {
  io_uring_queue_exit(ring_.get());
}

int IoUring::submit(int fd, std::size_t slot, const Transfer& transfer) {
  io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
  if (entry == nullptr) return EBUSY;
  const auto bytes = static_cast<unsigned>(transfer.bytes);
  if (transfer.is_read)
    io_uring_prep_read(entry, fd, transfer.data, bytes, transfer.offset);
  else
    io_uring_prep_write(entry, fd, transfer.data, bytes, transfer.offset);
  io_uring_sqe_set_data64(entry, slot);
  for (;;) {
    const int submitted = io_uring_submit(ring_.get());
    if (submitted >= 0) return 0;
    if (submitted != -EINTR && submitted != -EAGAIN) return -submitted;
  }
}

IoUring::Completion IoUring::wait() {
  io_uring_cqe* completion = nullptr;
  while (io_uring_wait_cqe(ring_.get(), &completion) == -EINTR) {
  }
  const Completion result{static_cast<std::size_t>(io_uring_cqe_get_data64(completion)), completion->res};
  io_uring_cqe_seen(ring_.get(), completion);
  return result;
}

}  // namespace holdfast
