#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "load/assign_readers.hpp"
#include "tensor/box_index.hpp"
#include "tensor/slabs.hpp"

namespace holdfast::load {

/// A shared chunk, as a rank that wants a part of it knows it.
struct SharedChunk {
  std::uint32_t number = 0;           ///< number in Source::chunks()
  std::uint64_t row = 0;              ///< row in the file's chunk table
  std::uint64_t address = 0;          ///< byte offset in the file
  Slabs slabs;                        ///< slabs, which are read and sent one by one
  std::vector<std::int32_t> readers;  ///< ranks that read the slabs in turn
  std::vector<RankBox> wants;         ///< as in SharedRead

  [[nodiscard]] int reader_of(std::uint64_t place) const { return readers[place % readers.size()]; }
};

/// What of a slab goes to a box that a rank wants.
struct SlabPart {
  std::int32_t rank = -1;
  std::uint32_t number = 0;  ///< position of the wanted box among those of the rank in this chunk
  Box box;
};

/// A slab of a shared chunk.
struct ScheduledSlab {
  const SharedChunk* chunk = nullptr;
  std::uint64_t place = 0;  ///< index of the slab in the chunk
  Slab slab;
  std::vector<SlabPart> parts;  ///< of the wants that this rank knows, in their order

  [[nodiscard]] int reader() const { return chunk->reader_of(place); }
  [[nodiscard]] bool is_last() const { return place + 1 == chunk->slabs.count(); }
  /// The parts of a rank: of this one, or of any if this rank is a reader of the chunk.
  [[nodiscard]] std::span<const SlabPart> parts_of(int rank) const {
    const auto found = std::ranges::equal_range(parts, rank, {}, &SlabPart::rank);
    return {found.begin(), found.end()};
  }
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
  /// A chunk and what is wanted of it.
  struct Pending {
    const SharedChunk* chunk = nullptr;
    std::vector<std::uint32_t> numbers;  ///< of each want: its position among those of its rank
    BoxIndex index;                      ///< of the wants
  };
  static Pending pending_of(const SharedChunk& chunk);
  [[nodiscard]] std::vector<SlabPart> parts_in(const Pending& pending, const Box& slab);

  const int rank_;
  const Of which_;
  std::vector<Pending> left_;  ///< chunks that have a slab at place_
  std::vector<std::uint32_t> found_;
  std::uint64_t place_ = 0;
  std::size_t next_ = 0;  ///< index in left_
};

}  // namespace holdfast::load
