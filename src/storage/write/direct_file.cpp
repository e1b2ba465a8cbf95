#include "storage/write/direct_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error_text.hpp"
#include "wrap/positioned_io.hpp"

namespace holdfast::storage {
namespace {

FileDescriptor open_to_write(const std::filesystem::path& path, int flags) {
  FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC | flags));
  if (!fd)
    throw Error(ErrorCode::storage, "opening for writing: " + errno_text(errno),
                {.host = host_name(), .path = path.string()});
  return fd;
}

std::uint64_t page_before(std::uint64_t offset) {
  return offset / DirectFile::page_bytes * DirectFile::page_bytes;
}

}  // namespace

bool DirectFile::is_possible(const std::filesystem::path& path) {
  return static_cast<bool>(FileDescriptor(::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_DIRECT)));
}

DirectFile::DirectFile(const std::filesystem::path& path, RateLimiter& limiter)
    : path_(path),
      limiter_(limiter),
      cached_(open_to_write(path, 0)),
      direct_(open_to_write(path, O_DIRECT)),
      queue_(direct_.get(), slots) {}

DirectFile::WriteBlock DirectFile::block(std::uint64_t offset) {
  const std::size_t slot = queue_.acquire();
  if (!memory_[slot]) memory_[slot] = Pages::allocate(block_bytes + page_bytes);
  return {slot, memory_[slot].data() + offset % page_bytes};
}

void DirectFile::write(const WriteBlock& block, std::uint64_t offset, std::uint64_t bytes) {
  write_in(block.slot, block.memory, offset, bytes);
}

void DirectFile::write(const std::byte* data, std::uint64_t offset, std::uint64_t bytes) {
  write_in(queue_.acquire(), data, offset, bytes);
}

void DirectFile::write_in(std::size_t slot, const std::byte* data, std::uint64_t offset, std::uint64_t bytes) {
  limiter_.admit(bytes);
  const std::uint64_t end = offset + bytes;
  const std::uint64_t first_page = page_before(offset + page_bytes - 1), last_page = page_before(end);
  if (first_page >= last_page) return write_through_cache(data, offset, bytes);
  write_through_cache(data, offset, first_page - offset);
  write_through_cache(data + (last_page - offset), last_page, end - last_page);
  queue_.write(slot, data + (first_page - offset), last_page - first_page, first_page);
}

void DirectFile::write_through_cache(const std::byte* data, std::uint64_t offset, std::uint64_t bytes) {
  if (bytes == 0 || has_failed()) return;
  if (!write_fully(cached_.get(), data, bytes, offset)) cache_failure_ = IoQueue::FailedTransfer{offset, errno};
}

std::optional<IoQueue::FailedTransfer> DirectFile::failure() const noexcept {
  return cache_failure_ ? cache_failure_ : queue_.failure();
}

void DirectFile::finish() {
  queue_.drain();
  if (const auto failed = failure())
    throw Error(ErrorCode::storage, fmt::format("writing at offset {}: {}", failed->offset, errno_text(failed->number)),
                {.host = host_name(), .path = path_.string()});
}

}  // namespace holdfast::storage
