#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/read/box_reader.hpp"
#include "storage/read/source.hpp"

namespace holdfast::load {

/// A box to read from the file: into memory, for its checksum, or both (storage::BoxReader::add).
struct ReadTask {
  std::uint32_t dataset = 0;
  const Box* box = nullptr;  ///< borrowed
  StridedMemory to = {};
  Checksum* sum = nullptr;
  storage::PageCache page_cache = storage::PageCache::avoid;
  std::uint32_t chunk = 0;  ///< number of the chunk in Source::chunks(), where the caller needs it
};

/// The readers of one thread, one for each storage::PageCache.
class BoxReaders {
 public:
  /// `file` outlives this.
  explicit BoxReaders(const storage::Source& file)
      : fill_(file, storage::PageCache::fill), avoid_(file, storage::PageCache::avoid) {}

  /// As the functions of storage::BoxReader.
  void add(const ReadTask& task);
  void start();
  void run();
  [[nodiscard]] std::uint64_t bytes_read() const { return fill_.bytes_read() + avoid_.bytes_read(); }

 private:
  storage::BoxReader fill_, avoid_;
};

/// Carries out tasks with up to `threads` threads. No task shares its checksum or memory with another one. Returns the
/// bytes that were read.
[[nodiscard]] std::uint64_t carry_out(const storage::Source& file, std::span<const ReadTask> tasks, int threads);

}  // namespace holdfast::load
