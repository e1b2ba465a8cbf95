#include "storage/read/block_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <holdfast/error.hpp>
#include <utility>

#include "base/error_text.hpp"
#include "base/stream_copy.hpp"
#include "wrap/positioned_io.hpp"

namespace holdfast::storage {
namespace {

constexpr std::uint64_t page_bytes = SourceFile::page_bytes;

std::uint64_t page_before(std::uint64_t offset) {
  return offset / page_bytes * page_bytes;
}
std::uint64_t page_after(std::uint64_t offset) {
  return page_before(offset + page_bytes - 1);
}

/// Pieces that are read together, and where the last of them ends.
struct Neighbours {
  std::size_t count = 0;
  std::uint64_t end = 0;
};

/// The leading pieces that are read together: each begins before those before it end, in the page where they end, or in
/// the page after that. So each page that is read has a byte that is wanted.
Neighbours neighbours(std::span<const ReadPiece> pieces) {
  Neighbours found{1, pieces.front().end()};
  for (; found.count < pieces.size() && page_before(pieces[found.count].offset) <= page_after(found.end); ++found.count)
    found.end = std::max(found.end, pieces[found.count].end());
  return found;
}

/// Passes `data`, which was read at `offset` in the file, to the pieces that it overlaps.
void deliver(std::span<const ReadPiece> pieces, std::uint64_t offset, std::span<const std::byte> data) {
  const std::uint64_t stop = offset + data.size();
  for (const ReadPiece& piece : pieces) {
    if (piece.offset >= stop) return;
    const std::uint64_t begin = std::max(piece.offset, offset), end = std::min(piece.end(), stop);
    if (begin >= end) continue;
    const auto part = data.subspan(begin - offset, end - begin);
    if (piece.sum != nullptr) piece.sum->update(part);
    if (piece.to != nullptr) stream_copy(piece.to + (begin - piece.offset), part.data(), part.size());
  }
}

}  // namespace

BlockReader::BlockReader(const SourceFile& file, PageCache page_cache)
    : file_(file), page_cache_(page_cache), step_(Pages::allocate(step_bytes)) {}

void BlockReader::read(std::vector<ReadPiece> pieces) {
  const auto owner = std::make_shared<const std::vector<ReadPiece>>(std::move(pieces));
  or_abandon([&] {
    for (std::span<const ReadPiece> left = *owner; !left.empty();) {
      const auto [count, end] = neighbours(left);
      read_group({owner, left.first(count)}, end);
      left = left.subspan(count);
    }
  });
}

void BlockReader::finish() {
  or_abandon([&] {
    while (!blocks_.empty()) finish_oldest();
  });
}

template <class Function>
void BlockReader::or_abandon(Function function) try {
  function();
} catch (...) {
  if (queue_) queue_->drain();
  queue_.reset();  // a queue starts nothing after a failure
  blocks_.clear();
  throw;
}

void BlockReader::read_group(ReadGroup group, std::uint64_t end) {
  std::span<const ReadPiece>& pieces = group.pieces;
  for (std::uint64_t offset = pieces.front().offset; offset < end;) {
    while (pieces.front().end() <= offset) pieces = pieces.subspan(1);
    const std::uint64_t stop = std::min(end, page_before(offset) + block_bytes);
    push({group, offset, stop - offset, {}});
    offset = stop;
  }
}

void BlockReader::push(FileBlock block) {
  while (blocks_.size() >= slots) finish_oldest();
  if (!file_.is_cached(block.offset, block.bytes)) {
    if (goes_around_cache(block))
      start(block);
    else
      file_.fetch_ahead(block.offset, block.bytes);
  }
  blocks_.push_back(std::move(block));
}

/// The last, partial page of the file is read through the cache.
bool BlockReader::goes_around_cache(const FileBlock& block) const {
  return page_cache_ == PageCache::avoid && file_.direct_fd() >= 0 &&
         page_after(block.offset + block.bytes) <= file_.bytes();
}

void BlockReader::start(FileBlock& block) {
  const std::size_t slot = next_slot_++ % slots;
  if (!queue_) queue_.emplace(file_.direct_fd(), slots);
  if (!memory_[slot]) memory_[slot] = Pages::allocate(block_bytes);
  const std::uint64_t first = page_before(block.offset), bytes = page_after(block.offset + block.bytes) - first;
  queue_->read(slot, memory_[slot].data(), bytes, first);
  bytes_read_ += bytes;
  block.slot = slot;
}

void BlockReader::finish_oldest() {
  const FileBlock& block = blocks_.front();
  if (!block.slot) {
    read_cached(block);
  } else {
    queue_->wait(*block.slot);
    if (const auto failure = queue_->failure()) fail(failure->offset, failure->number);
    deliver(block.group.pieces, block.offset, {memory_[*block.slot].data() + block.offset % page_bytes, block.bytes});
  }
  blocks_.pop_front();
}

void BlockReader::read_cached(const FileBlock& block) {
  std::span<const ReadPiece> pieces = block.group.pieces;
  for (std::uint64_t done = 0; done < block.bytes;) {
    const std::uint64_t offset = block.offset + done, bytes = std::min(step_bytes, block.bytes - done);
    const ssize_t got = read_available(file_.fd(), step_.data(), bytes, offset);
    if (got != static_cast<ssize_t>(bytes)) fail(offset, got < 0 ? errno : ENODATA);
    while (pieces.front().end() <= offset) pieces = pieces.subspan(1);
    deliver(pieces, offset, {step_.data(), bytes});
    bytes_read_ += bytes;
    done += bytes;
  }
}

void BlockReader::fail(std::uint64_t offset, int number) {
  failed_at_ = offset;
  if (number == ENODATA) throw Error(ErrorCode::corrupt, fmt::format("the file ends before offset {}", offset));
  throw Error(ErrorCode::storage, fmt::format("reading at offset {}: {}", offset, errno_text(number)));
}

}  // namespace holdfast::storage
