#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "load/assign_readers.hpp"
#include "tensor/slabs.hpp"

namespace holdfast::load {

/// A shared chunk, as a rank that wants a part of it knows it.
struct SharedChunk {
  std::uint32_t number = 0;           ///< number in CheckpointReader::chunks()
  std::uint64_t row = 0;              ///< row in the file's chunk table
  std::uint64_t address = 0;          ///< byte offset in the file
  Slabs slabs;                        ///< slabs, which are read and sent one by one
  std::vector<std::int32_t> readers;  ///< ranks that read the slabs in turn
  std::vector<RankBox> wants;         ///< on a reader the boxes of all ranks, elsewhere this rank's own; by rank

  [[nodiscard]] int reader_of(std::uint64_t place) const { return readers[place % readers.size()]; }
};

/// A slab of a shared chunk.
struct ScheduledSlab {
  const SharedChunk* chunk = nullptr;
  std::uint64_t place = 0;  ///< index of the slab in the chunk
  Slab slab;

  [[nodiscard]] int reader() const { return chunk->reader_of(place); }
  [[nodiscard]] bool is_last() const { return place + 1 == chunk->slabs.count(); }
  /// The part that `rank` wants, if any. `rank` is this rank, or any rank if this one is a reader of the chunk.
  [[nodiscard]] std::optional<Box> part_of(int rank) const;
};

/// Goes through slabs in the order of places and, within a place, of chunks in the file. All ranks keep this order. So
/// a slab waits only for slabs of lower places, a short way for any number of ranks; in the order of chunks, each would
/// wait for the one before. Pure.
class SlabSchedule {
 public:
  enum class Of {
    all,       ///< slabs that the rank reads or wants a part of
    own_reads  ///< slabs that the rank reads
  };

  /// `chunks` outlive this.
  SlabSchedule(const std::vector<SharedChunk>& chunks, int rank, Of which);

  /// The next slab; nothing after the last.
  [[nodiscard]] std::optional<ScheduledSlab> next();

 private:
  const int rank_;
  const Of which_;
  std::vector<const SharedChunk*> left_;  ///< chunks that have a slab at place_
  std::uint64_t place_ = 0;
  std::size_t next_ = 0;  ///< index in left_
};

}  // namespace holdfast::load
