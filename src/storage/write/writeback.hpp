#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>

#include "base/unique_handle.hpp"

namespace holdfast::storage {

/// Starts the writeback of a file from the page cache while the rest of it is still being written. Left alone, the
/// kernel begins when much has gathered, or at fsync, and the disk is idle until then. Does nothing on a file system
/// that does not support it. One thread uses an object.
class Writeback {
 public:
  /// Opens the file at the first writeback.
  explicit Writeback(std::filesystem::path path) : path_(std::move(path)) {}

  /// Notes that `bytes` more were written, by anyone. Throws Error(storage) with errno and path if earlier bytes are
  /// lost.
  void wrote(std::uint64_t bytes);
  /// Starts the writeback of the last bytes. Throws as wrote() does.
  void finish();

 private:
  static constexpr std::uint64_t portion_bytes = 32 << 20;

  void begin();

  std::filesystem::path path_;
  FileDescriptor file_;
  std::uint64_t waiting_bytes_ = 0;  ///< bytes written since the last writeback began
};

}  // namespace holdfast::storage
