#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>

#include "base/unique_handle.hpp"

namespace holdfast::storage {

/// Has the system begin to write out what was written to a file through the page cache, while the rest is still being written.
/// Left alone, it begins when much has gathered, or at fsync, and the disk is idle until then. Where a file system cannot be
/// asked, nothing happens. One thread uses an object.
class WriteOut {
 public:
  /// Looks for the file when it has something to ask for.
  explicit WriteOut(std::filesystem::path path) : path_(std::move(path)) {}

  /// `bytes` more were written, by whomever. Throws Error(storage) with errno and path where earlier ones are lost.
  void wrote(std::uint64_t bytes);
  /// The last of them were.
  void finish();

 private:
  static constexpr std::uint64_t portion_bytes = 32 << 20;

  void begin();

  std::filesystem::path path_;
  FileDescriptor file_;
  std::uint64_t waiting_bytes_ = 0;  ///< written, and not asked for
};

}  // namespace holdfast::storage
