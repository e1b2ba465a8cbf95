// Takes the place of io_uring.cpp where liburing was not found: there is no ring, so that no object is made.
#include <cerrno>

#include "wrap/io_uring.hpp"

struct io_uring {};

namespace holdfast {

std::unique_ptr<IoUring> IoUring::make(unsigned /*slots*/) {
  return nullptr;
}
IoUring::~IoUring() = default;

int IoUring::submit(int /*fd*/, std::size_t /*slot*/, const Transfer& /*transfer*/) {
  return ENOSYS;
}
IoUring::Completion IoUring::wait() {
  return {};
}

}  // namespace holdfast
