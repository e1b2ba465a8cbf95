#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "base/unique_handle.hpp"

namespace holdfast::storage {

/// A regular file open for reading, with the state of its pages in the page cache. Any number of threads may use an
/// object.
class SourceFile {
 public:
  static constexpr std::uint64_t page_bytes = 4096;

  /// Throws Error(storage), or Error(corrupt) if it is not a regular file. The caller adds the path.
  explicit SourceFile(const std::filesystem::path& path);
  ~SourceFile();
  SourceFile(const SourceFile&) = delete;
  SourceFile& operator=(const SourceFile&) = delete;

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] int fd() const noexcept { return cached_.get(); }
  /// For reading whole pages around the page cache; -1 where the file system has no O_DIRECT.
  [[nodiscard]] int direct_fd() const noexcept { return direct_.get(); }
  /// Whether the range is in the page cache, judged by some of its pages. True if the system cannot tell, and beyond
  /// the end.
  [[nodiscard]] bool is_cached(std::uint64_t offset, std::uint64_t bytes) const;
  /// Asks the system to read the range into the page cache in the background.
  void fetch_ahead(std::uint64_t offset, std::uint64_t bytes) const noexcept;

 private:
  FileDescriptor cached_, direct_;
  std::uint64_t bytes_ = 0;
  std::byte* mapping_ = nullptr;  ///< for mincore(2) alone; cannot be accessed
};

}  // namespace holdfast::storage
