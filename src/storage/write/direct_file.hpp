#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/rate_limiter.hpp"
#include "base/unique_handle.hpp"
#include "wrap/io_queue.hpp"
#include "wrap/large_pages.hpp"

namespace holdfast::storage {

/// Writes an existing file around the page cache (O_DIRECT), several blocks at once. Direct writes take whole pages;
/// the bytes of a write before and after its whole pages go through the page cache. So no byte outside of the write is
/// touched, and others may write the rest of such a page. One thread uses an object.
class DirectFile {
 public:
  static constexpr std::uint64_t page_bytes = 4096;
  static constexpr std::uint64_t block_bytes = 4 << 20;

  /// Whether the file can be opened with O_DIRECT, which not every file system has.
  [[nodiscard]] static bool is_possible(const std::filesystem::path& path);

  /// `limiter` is borrowed and limits every write.
  DirectFile(const std::filesystem::path& path, RateLimiter& limiter);

  /// A buffer of block_bytes for the next write, for data that is not aligned as in the file. `memory` is the place of
  /// the byte at the offset given to block().
  struct WriteBlock {
    std::size_t slot = 0;
    std::byte* memory = nullptr;
  };
  /// Returns a buffer for a write to `offset`, which the caller fills until write(). Waits while all are in flight.
  [[nodiscard]] WriteBlock block(std::uint64_t offset);
  /// Writes the first `bytes` of the block to `offset`.
  void write(const WriteBlock& block, std::uint64_t offset, std::uint64_t bytes);

  /// Whether `data` can be written to `offset` without a copy: both are at the same place in a page.
  [[nodiscard]] static bool lies_as_file(const std::byte* data, std::uint64_t offset) noexcept {
    return (reinterpret_cast<std::uintptr_t>(data) - offset) % page_bytes == 0;
  }
  /// Writes memory that lies_as_file(), at most block_bytes. It must not change until finish().
  void write(const std::byte* data, std::uint64_t offset, std::uint64_t bytes);

  /// Waits for all writes. Throws Error(storage) with errno and path for the first one that failed.
  void finish();
  /// Whether a write has failed, so that the rest need not be written.
  [[nodiscard]] bool has_failed() const noexcept { return failure().has_value(); }
  /// The first write that failed, if any.
  [[nodiscard]] std::optional<IoQueue::FailedTransfer> failure() const noexcept;
  /// "io_uring" or "pwrite".
  [[nodiscard]] const char* method() const noexcept { return queue_.method(); }

 private:
  static constexpr unsigned slots = 8;

  void write_in(std::size_t slot, const std::byte* data, std::uint64_t offset, std::uint64_t bytes);
  void write_through_cache(const std::byte* data, std::uint64_t offset, std::uint64_t bytes);

  std::filesystem::path path_;
  RateLimiter& limiter_;
  FileDescriptor cached_, direct_;
  std::array<Pages, slots> memory_;
  std::optional<IoQueue::FailedTransfer> cache_failure_;
  IoQueue queue_;  // last: its destructor waits for writes in flight before the memory is freed
};

}  // namespace holdfast::storage
