#include "storage/write_out.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error_text.hpp"

namespace holdfast::storage {
namespace {

/// Says that it cannot be asked, not that a byte is lost.
bool is_refusal(int number) {
  constexpr std::array refusals = {ENOSYS, EOPNOTSUPP, EINVAL, ESPIPE, EPERM};
  return std::ranges::find(refusals, number) != refusals.end();
}

}  // namespace

void WriteOut::wrote(std::uint64_t bytes) {
  waiting_bytes_ += bytes;
  if (waiting_bytes_ >= portion_bytes) begin();
}

void WriteOut::finish() {
  if (waiting_bytes_ > 0) begin();
}

/// Of the whole file: the kernel passes over what is clean or on its way. This looks at no error that is noted for fsync.
void WriteOut::begin() {
  waiting_bytes_ = 0;
  if (!file_) file_.reset(::open(path_.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
  if (file_ && (::sync_file_range(file_.get(), 0, 0, SYNC_FILE_RANGE_WRITE) == 0 || is_refusal(errno))) return;
  const int number = errno;
  throw Error(ErrorCode::storage, "beginning to write out: " + errno_text(number), {.host = host_name(), .path = path_.string()});
}

}  // namespace holdfast::storage
