#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "load/arrange.hpp"
#include "tensor/slabs.hpp"

namespace holdfast::load {

/// A shared chunk, as a rank that wants something of it knows it.
struct SharedChunk {
  std::uint32_t number = 0;           ///< its place in the reader's list
  std::uint64_t row = 0;              ///< in the file's chunk table
  std::uint64_t address = 0;          ///< in the file
  Slabs slabs;                        ///< which are read, and sent, one by one
  std::vector<std::int32_t> readers;  ///< of slabs, in turn
  std::vector<Want> wants;            ///< of a reader, everybody's; of another rank, its own

  [[nodiscard]] int reader_of(std::uint64_t place) const { return readers[place % readers.size()]; }
};

/// A slab of a shared chunk.
struct Turn {
  const SharedChunk* chunk = nullptr;
  std::uint64_t place = 0;  ///< in the chunk
  Slab slab;

  [[nodiscard]] int reader() const { return chunk->reader_of(place); }
  [[nodiscard]] bool is_last() const { return place + 1 == chunk->slabs.count(); }
  /// What of it the rank wants, if anything. `rank` is this one, or this one is the reader.
  [[nodiscard]] std::optional<Box> part_of(int rank) const;
};

/// Goes through turns in the order of places and, for each place, of chunks in the file: one order that all ranks keep. So for a
/// slab one waits for those of lower places alone, which is a short way however many ranks there are, where the order of chunks
/// would have each wait for the one before. Pure.
class Turns {
 public:
  enum class Of {
    all,       ///< in which the rank reads or gets something
    own_reads  ///< in which it reads
  };

  /// `chunks` outlive this.
  Turns(const std::vector<SharedChunk>& chunks, int rank, Of which);

  /// The next one; nothing after the last.
  [[nodiscard]] std::optional<Turn> next();

 private:
  const int rank_;
  const Of which_;
  std::vector<const SharedChunk*> left_;  ///< those that have a slab at this place
  std::uint64_t place_ = 0;
  std::size_t next_ = 0;  ///< of left_
};

}  // namespace holdfast::load
