#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/fetch.hpp"

namespace holdfast::load {

/// A box to be read from where it lies in the file: into memory, or for its checksum alone, or both (storage::Fetch::add).
struct Task {
  std::uint32_t dataset = 0;
  const Box* box = nullptr;  ///< borrowed
  StridedMemory to = {};
  Checksum* sum = nullptr;
  storage::PageCache page_cache = storage::PageCache::avoid;
  std::uint32_t chunk = 0;  ///< that the box is of, by its place in the reader's list; only where that is asked for
};

/// What one thread carries out tasks with: a reader for each way to treat the page cache.
class Fetches {
 public:
  /// `file` outlives this.
  explicit Fetches(const storage::CheckpointReader& file)
      : fill_(file, storage::PageCache::fill), avoid_(file, storage::PageCache::avoid) {}

  /// As storage::Fetch's.
  void add(const Task& task);
  void start();
  void run();
  [[nodiscard]] std::uint64_t bytes_read() const { return fill_.bytes_read() + avoid_.bytes_read(); }

 private:
  storage::Fetch fill_, avoid_;
};

/// Carries out tasks, none of which shares its checksum or memory with another one, with up to `threads` threads. Returns the
/// bytes that were read for it.
[[nodiscard]] std::uint64_t carry_out(const storage::CheckpointReader& file, std::span<const Task> tasks, int threads);

}  // namespace holdfast::load
