#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "load/held_ranges.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::load {

template <class T>
using ByRank = std::map<int, T>;

/// What a rank wants of a chunk. It goes to the rank that assigns the readers of the chunk.
struct ChunkRequest {
  std::uint64_t row = 0;        ///< row in the file's chunk table
  std::uint64_t address = 0;    ///< byte offset in the file
  std::uint64_t bytes = 0;      ///< bytes of the chunk
  bool is_checked = false;      ///< the rank reads the whole chunk for itself and checks it; nothing more is said then
  std::vector<Box> parts = {};  ///< boxes that the rank wants
  std::vector<ByteRange> ranges = {};  ///< ranges that the rank can read for itself and checksum in its memory
  static void fields(auto& codec, auto& self) {
    codec(self.row, self.address, self.bytes, self.is_checked, self.parts, self.ranges);
  }
};

/// One rank's link in the chain of ranks that read ranges of a chunk, each for itself. The rank takes the unfinished
/// checksum from rank `from`, adds `range`, and hands the checksum on to rank `to`. The first rank begins it, the last
/// one keeps it.
struct ChainLink {
  std::uint64_t row = 0;
  std::uint32_t place = 0;
  ByteRange range;
  std::int32_t from = -1, to = -1;  ///< ranks; -1 at the ends of the chain

  bool operator==(const ChainLink&) const = default;
  static void fields(auto& codec, auto& self) { codec(self.row, self.place, self.range, self.from, self.to); }
};

/// A box that a rank wants.
struct RankBox {
  std::int32_t rank = -1;
  Box box;

  bool operator==(const RankBox&) const = default;
  static void fields(auto& codec, auto& self) { codec(self.rank, self.box); }
};

/// A chunk that some ranks read for all ranks that want a part of it.
struct SharedRead {
  std::uint64_t row = 0;
  std::vector<std::int32_t> readers;  ///< ranks that read its slabs in turn
  /// On a reader the boxes of all ranks, elsewhere this rank's own: by rank, each rank's in the order of its request.
  std::vector<RankBox> wants;

  bool operator==(const SharedRead&) const = default;
  static void fields(auto& codec, auto& self) { codec(self.row, self.readers, self.wants); }
};

/// What a rank does together with others. It reads and checks everything else for itself.
struct ReadAssignment {
  std::vector<ChainLink> links;  ///< sorted by place, then by row
  std::vector<SharedRead> shared;

  static void fields(auto& codec, auto& self) { codec(self.links, self.shared); }
};

/// Decides who reads and checks which chunk. Each rank reads its parts of a chunk for itself if one of them checks the
/// whole chunk, or if their ranges together cover it. Any other chunk is shared. Pure.
[[nodiscard]] ByRank<ReadAssignment> assign_readers(const ByRank<std::vector<ChunkRequest>>& requests);

/// Collective. The row of a chunk names the rank that assigns its readers. A rank's `requests` are of different chunks.
[[nodiscard]] ReadAssignment agree_on_reading(const mpi::Communicator& comm, std::vector<ChunkRequest> requests);

}  // namespace holdfast::load
