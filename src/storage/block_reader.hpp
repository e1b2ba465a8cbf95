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
#include "storage/source_file.hpp"
#include "wrap/io_queue.hpp"
#include "wrap/large_pages.hpp"

namespace holdfast::storage {

/// Bytes that follow each other in the file, and what becomes of them.
struct Piece {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::byte* to = nullptr;  ///< where they go, if anywhere
  Checksum* sum = nullptr;  ///< what they are added to, if anything

  [[nodiscard]] std::uint64_t end() const noexcept { return offset + bytes; }
};

/// What reading does to the page cache. What is in it already is taken from there either way.
enum class PageCache {
  fill,   ///< the rest is read into it, a few blocks ahead: somebody will want it again
  avoid,  ///< the rest is read around it, several blocks at once: faster, and pushes nothing out
};

/// Reads pieces of a file in large blocks. One thread uses an object. The bytes of a block are in the processor's cache when
/// they are added to a checksum and copied to where they go, by stores around it.
class BlockReader {
 public:
  /// `file` outlives this.
  BlockReader(const SourceFile& file, PageCache page_cache);

  /// Reads pieces in their order, which should be that of the file. Those that lie within a page of each other are read together
  /// with what is between them; nothing else is read. The last blocks are left under way, so that reading goes on while more
  /// pieces are found; finish() waits for them. Either throws Error(storage) where the system refuses, Error(corrupt) where the
  /// file ends before; nothing is under way then.
  void read(std::vector<Piece> pieces);
  void finish();

  /// What was read from the file so far.
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_read_; }
  /// Where in the file the read failed that threw.
  [[nodiscard]] std::uint64_t failed_at() const noexcept { return failed_at_; }

 private:
  static constexpr std::uint64_t block_bytes = 2 << 20;
  static constexpr std::uint64_t step_bytes = 256 << 10;  ///< of a read from the page cache
  static constexpr unsigned slots = 8;

  /// Pieces that are read together, and the owner of their memory.
  struct Stretch {
    std::shared_ptr<const std::vector<Piece>> owner;
    std::span<const Piece> pieces;
  };
  /// A part of the file that is being read, and the pieces from the first one that it touches on.
  struct Block {
    Stretch stretch;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::optional<std::size_t> slot;  ///< read around the page cache into this slot's memory
  };

  template <class Function>
  void or_abandon(Function function);
  void read_stretch(Stretch stretch);
  void push(Block block);
  [[nodiscard]] bool goes_around_cache(const Block& block) const;
  void start(Block& block);
  void finish_oldest();
  void read_cached(const Block& block);
  [[noreturn]] void fail(std::uint64_t offset, int number);

  const SourceFile& file_;
  PageCache page_cache_;
  std::uint64_t bytes_read_ = 0, failed_at_ = 0;
  Pages step_;
  std::array<Pages, slots> memory_;
  std::size_t next_slot_ = 0;  ///< slots are used in turn, so the one after `slots` blocks is free again
  std::deque<Block> blocks_;
  std::optional<IoQueue> queue_;  // last: it waits for what is under way before the memory goes
};

}  // namespace holdfast::storage
