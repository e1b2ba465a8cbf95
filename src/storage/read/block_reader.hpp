#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/checksum.hpp"
#include "storage/read/source_file.hpp"
#include "wrap/io_queue.hpp"
#include "wrap/large_pages.hpp"

namespace holdfast::storage {

/// A range of the file, and the use of its bytes.
struct ReadPiece {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::byte* to = nullptr;  ///< where the bytes are copied to; null: nowhere
  Checksum* sum = nullptr;  ///< checksum that they are added to; null: none

  [[nodiscard]] std::uint64_t end() const noexcept { return offset + bytes; }
};

/// How a read uses the page cache. Either way, bytes that are in it are taken from it.
enum class PageCache {
  fill,   ///< other bytes are read into it, a few blocks ahead: they will be read again
  avoid,  ///< other bytes are read around it, several blocks at once: faster, and evicts nothing
};

/// Reads pieces of a file in large blocks. Adds each block to checksums and copies it by stream_copy() while it is in
/// the processor's cache. One thread uses an object.
class BlockReader {
 public:
  /// `file` is borrowed.
  BlockReader(const SourceFile& file, PageCache page_cache);

  /// Reads pieces, sorted by offset. Pieces that overlap, or lie in the same page or in neighbouring ones, are
  /// read together with the bytes between them; nothing else is read, and no byte twice. The last blocks stay in
  /// flight, so that reading goes on while the caller finds more pieces; finish() waits for them. Both throw
  /// Error(storage) if a read fails, Error(corrupt) if the file ends too early; nothing is in flight then.
  void read(std::vector<ReadPiece> pieces);
  void finish();

  /// Bytes read from the file so far.
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_read_; }
  /// File offset of the read that failed.
  [[nodiscard]] std::uint64_t failed_at() const noexcept { return failed_at_; }

 private:
  static constexpr std::uint64_t block_bytes = 2 << 20;
  static constexpr std::uint64_t step_bytes = 256 << 10;  ///< bytes of one read from the page cache
  static constexpr unsigned slots = 8;

  /// Pieces that are read together, and the owner of their memory.
  struct ReadGroup {
    std::shared_ptr<const std::vector<ReadPiece>> owner;
    std::span<const ReadPiece> pieces;
  };
  /// A part of the file in flight, and the pieces from the first one that it touches.
  struct FileBlock {
    ReadGroup group;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::optional<std::size_t> slot;  ///< slot that it is read into, around the page cache; empty: through the cache
  };

  template <class Function>
  void or_abandon(Function function);
  void read_group(ReadGroup group, std::uint64_t end);
  void push(FileBlock block);
  [[nodiscard]] bool goes_around_cache(const FileBlock& block) const;
  void start(FileBlock& block);
  void finish_oldest();
  void read_cached(const FileBlock& block);
  [[noreturn]] void fail(std::uint64_t offset, int number);

  const SourceFile& file_;
  PageCache page_cache_;
  std::uint64_t bytes_read_ = 0, failed_at_ = 0;
  Pages step_;
  std::array<Pages, slots> memory_;
  std::size_t next_slot_ = 0;  ///< slots are used in turn, so one is free again after `slots` blocks
  std::deque<FileBlock> blocks_;
  std::optional<IoQueue> queue_;  // last: its destructor waits for reads in flight before the memory is freed
};

}  // namespace holdfast::storage
