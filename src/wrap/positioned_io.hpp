#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace holdfast {

/// Reads `size` bytes at `offset`; what lies beyond the end of the file is 0. False, with errno, where the system refuses.
inline bool read_fully(int fd, std::byte* data, std::size_t size, std::uint64_t offset) noexcept {
  while (size > 0) {
    const ssize_t got = ::pread(fd, data, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) break;
    data += got, size -= static_cast<std::size_t>(got), offset += static_cast<std::uint64_t>(got);
  }
  std::memset(data, 0, size);
  return true;
}

/// Writes `size` bytes at `offset`. False, with errno, where the system refuses.
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
