#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace holdfast {

/// Reads up to `size` bytes at `offset`, fewer only at the end of the file. Returns their number, or -1 with errno
/// after a failure.
inline ssize_t read_available(int fd, std::byte* data, std::size_t size, std::uint64_t offset) noexcept {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::pread(fd, data + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

/// Reads `size` bytes at `offset`; bytes beyond the end of the file are 0. Returns false, with errno, after a failure.
inline bool read_fully(int fd, std::byte* data, std::size_t size, std::uint64_t offset) noexcept {
  const ssize_t got = read_available(fd, data, size, offset);
  if (got >= 0) std::memset(data + got, 0, size - static_cast<std::size_t>(got));
  return got >= 0;
}

/// Writes `size` bytes at `offset`. Returns false, with errno, after a failure.
inline bool write_fully(int fd, const std::byte* data, std::size_t size, std::uint64_t offset) noexcept {
  while (size > 0) {
    const ssize_t put = ::pwrite(fd, data, size, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    data += put, size -= static_cast<std::size_t>(put), offset += static_cast<std::uint64_t>(put);
  }
  return true;
}

}  // namespace holdfast
