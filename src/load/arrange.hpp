#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "load/chain.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::load {

template <class T>
using ByRank = std::map<int, T>;

/// What a rank wants of a chunk, which it tells the one that arranges who reads the chunk.
struct Offer {
  std::uint64_t row = 0;      ///< in the file's chunk table
  std::uint64_t address = 0;  ///< in the file
  std::uint64_t bytes = 0;    ///< of the chunk
  Box part = {};              ///< only where it is not checked
  bool is_checked = false;    ///< the rank reads the whole chunk for itself and checks it
  Stretch stretch = {};       ///< that the rank can read for itself and have in memory for the checksum; empty if none
  static void fields(auto& codec, auto& self) {
    codec(self.row, self.address, self.bytes, self.part, self.is_checked, self.stretch);
  }
};

/// A rank's place in the chain of those that read stretches of a chunk, each for itself: take the unfinished checksum from a rank
/// (the first one begins it), add a stretch, and hand it on (the last one keeps it).
struct Link {
  std::uint64_t row = 0;
  std::uint32_t place = 0;
  Stretch stretch;
  std::int32_t from = -1, to = -1;

  bool operator==(const Link&) const = default;
  static void fields(auto& codec, auto& self) { codec(self.row, self.place, self.stretch, self.from, self.to); }
};

struct Want {
  std::int32_t rank = -1;
  Box box;

  bool operator==(const Want&) const = default;
  static void fields(auto& codec, auto& self) { codec(self.rank, self.box); }
};

/// A chunk that some of the ranks that want something of it read for all of them.
struct Shared {
  std::uint64_t row = 0;
  std::vector<std::int32_t> readers;  ///< take turns
  std::vector<Want> wants;            ///< of a reader, everybody's; of another rank, its own

  bool operator==(const Shared&) const = default;
  static void fields(auto& codec, auto& self) { codec(self.row, self.readers, self.wants); }
};

/// What a rank has to do with others. All else that it wants it reads, and checks, for itself.
struct Orders {
  std::vector<Link> links;  ///< in the order of place and row
  std::vector<Shared> shared;

  static void fields(auto& codec, auto& self) { codec(self.links, self.shared); }
};

/// Who reads and checks which chunk. One that a rank checks, or of which ranks can read stretches that together are the whole, is
/// read by each for itself; any other is shared. Pure.
[[nodiscard]] ByRank<Orders> arrange(const ByRank<std::vector<Offer>>& offers);

/// Collective. Each chunk has a rank, by its row, that arranges it. `offers` are of different chunks.
[[nodiscard]] Orders agree_on_reading(const mpi::Communicator& comm, std::vector<Offer> offers);

}  // namespace holdfast::load
