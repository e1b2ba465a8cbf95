#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/pace.hpp"
#include "base/unique_handle.hpp"
#include "wrap/io_queue.hpp"
#include "wrap/large_pages.hpp"

namespace holdfast::storage {

/// An existing file written around the page cache (O_DIRECT), several blocks under way at once. Direct writes take whole
/// pages: what a write has before and after them goes through the page cache, so no byte outside of it is touched, and
/// others may write the rest of such a page. One thread uses an object.
class DirectFile {
 public:
  static constexpr std::uint64_t page_bytes = 4096;
  static constexpr std::uint64_t block_bytes = 4 << 20;

  /// Can this file be written so? The file system may not know O_DIRECT.
  [[nodiscard]] static bool is_possible(const std::filesystem::path& path);

  /// `pace` is borrowed; every write goes by it.
  DirectFile(const std::filesystem::path& path, Pace& pace);

  /// Where the caller puts together what is written next, for memory that does not lie as the file does: `memory` stands for
  /// the byte at `offset`, has room for block_bytes, and is free until write(). Waits while all blocks are under way.
  struct Block {
    std::size_t slot = 0;
    std::byte* memory = nullptr;
  };
  [[nodiscard]] Block block(std::uint64_t offset);
  /// Writes the first `bytes` of the block to `offset`.
  void write(const Block& block, std::uint64_t offset, std::uint64_t bytes);

  /// Does memory at `data` go to `offset` without a copy?
  [[nodiscard]] static bool lies_as_file(const std::byte* data, std::uint64_t offset) noexcept {
    return (reinterpret_cast<std::uintptr_t>(data) - offset) % page_bytes == 0;
  }
  /// Writes memory that lies_as_file(), at most block_bytes; it stays as it is until finish().
  void write(const std::byte* data, std::uint64_t offset, std::uint64_t bytes);

  /// Waits for everything. Throws Error(storage) with errno and path for the first write that failed.
  void finish();
  /// Something failed; the rest need not be written.
  [[nodiscard]] bool has_failed() const noexcept { return failure().has_value(); }
  /// The first write that failed, if any.
  [[nodiscard]] std::optional<IoQueue::Failure> failure() const noexcept;
  /// "io_uring" or "pwrite".
  [[nodiscard]] const char* method() const noexcept { return queue_.method(); }

 private:
  static constexpr unsigned slots = 8;

  void write_in(std::size_t slot, const std::byte* data, std::uint64_t offset, std::uint64_t bytes);
  void write_through_cache(const std::byte* data, std::uint64_t offset, std::uint64_t bytes);

  std::filesystem::path path_;
  Pace& pace_;
  FileDescriptor cached_, direct_;
  std::array<Pages, slots> memory_;
  std::optional<IoQueue::Failure> cache_failure_;
  IoQueue queue_;  // last: it waits for what is under way before the memory goes
};

}  // namespace holdfast::storage
