#include "storage/write/writeback.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error_text.hpp"

namespace holdfast::storage {
namespace {

/// Whether the errno means that writeback is not supported, not that a byte is lost.
bool is_refusal(int number) {
  constexpr std::array refusals = {ENOSYS, EOPNOTSUPP, EINVAL, ESPIPE, EPERM};
  return std::ranges::find(refusals, number) != refusals.end();
}

}  // namespace

void Writeback::wrote(std::uint64_t bytes) {
  waiting_bytes_ += bytes;
  if (waiting_bytes_ >= portion_bytes) begin();
}

void Writeback::finish() {
  if (waiting_bytes_ > 0) begin();
}

/// Covers the whole file: the kernel skips pages that are clean or in writeback. Leaves errors that are noted for fsync
/// to fsync.
void Writeback::begin() {
  waiting_bytes_ = 0;
  if (!file_) file_.reset(::open(path_.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
  if (file_ && (::sync_file_range(file_.get(), 0, 0, SYNC_FILE_RANGE_WRITE) == 0 || is_refusal(errno))) return;
  const int number = errno;
  throw Error(ErrorCode::storage, "beginning to write out: " + errno_text(number),
              {.host = host_name(), .path = path_.string()});
}

}  // namespace holdfast::storage
