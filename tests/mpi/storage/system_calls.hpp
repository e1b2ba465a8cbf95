#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

/// The file system calls of this process, also those that MPI-IO and HDF5 make: the test program defines the functions
/// of the C library itself, so that every library in it calls these. The product is not changed for it.
namespace holdfast::storage::test {

/// A call on something below the watched directory.
struct SystemCall {
  std::string_view name;          ///< "pwrite"; variants that take 64-bit offsets have the name without the 64
  std::filesystem::path path;     ///< of the file or directory; for a descriptor, under which it was opened
  std::filesystem::path to = {};  ///< rename: the new name; symlink: what it points to
  int fd = -1;
  int flags = 0;                         ///< open
  std::uint64_t offset = 0;              ///< pwrite, pread; the length of ftruncate and fallocate
  std::span<const std::byte> data = {};  ///< what is written
};

/// Asked before every call: an errno to make it fail with, or 0 to let it happen.
using Before = std::function<int(const SystemCall&)>;
/// Told after every call that happened, with what it returned.
using After = std::function<void(const SystemCall&, std::int64_t result)>;

/// While it lives, the calls are watched. One at a time. Calls that `before` and `after` make themselves are not
/// reported; they are made one at a time, in the thread that makes the call.
class Watch {
 public:
  Watch(std::filesystem::path directory, Before before, After after = {});
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
};

}  // namespace holdfast::storage::test
