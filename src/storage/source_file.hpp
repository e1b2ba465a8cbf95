#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "base/unique_handle.hpp"

namespace holdfast::storage {

/// A regular file that is read, with what is to be known about the page cache. Any number of threads may use an object.
class SourceFile {
 public:
  static constexpr std::uint64_t page_bytes = 4096;

  /// Throws Error(storage), or Error(corrupt) for what is no regular file; without the path, which the caller knows.
  explicit SourceFile(const std::filesystem::path& path);
  ~SourceFile();
  SourceFile(const SourceFile&) = delete;
  SourceFile& operator=(const SourceFile&) = delete;

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] int fd() const noexcept { return cached_.get(); }
  /// For reading whole pages around the page cache; -1 where the file system has no O_DIRECT.
  [[nodiscard]] int direct_fd() const noexcept { return direct_.get(); }
  /// Is this in the page cache, as far as some of its pages tell? True where the system does not, and beyond the end.
  [[nodiscard]] bool is_cached(std::uint64_t offset, std::uint64_t bytes) const;
  /// Asks the system to get this into the page cache meanwhile.
  void fetch_ahead(std::uint64_t offset, std::uint64_t bytes) const noexcept;

 private:
  FileDescriptor cached_, direct_;
  std::uint64_t bytes_ = 0;
  std::byte* mapping_ = nullptr;  ///< for mincore(2) alone; cannot be accessed
};

}  // namespace holdfast::storage
