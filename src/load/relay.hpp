#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "load/chain.hpp"
#include "tensor/strided.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::load {

/// A chunk that somebody has to check.
struct Duty {
  std::uint32_t chunk = 0;
  int rank = -1;  ///< who checks it
  std::uint64_t bytes = 0;
};

/// A stretch of a chunk as this rank has loaded it.
struct Loaded {
  std::uint32_t chunk = 0;
  Stretch stretch;
  StridedMemory memory;
};

/// The checksum of a chunk.
struct Sum {
  std::uint32_t chunk = 0;
  std::uint64_t value = 0;
};

/// Collective. Checksums of chunks that no rank has loaded as a whole, but several together: each adds what it has and hands the
/// unfinished checksum, some hundred bytes, to the one that goes on, so that nothing of the chunk is read again. The ranks work
/// on different chunks at a time. `duties`, the same on all ranks, and `loaded`, of which only what is in a duty counts, are in
/// the order of chunks, each chunk once. Returns the sums for this rank's duties; chunks of which nobody has some bytes are left
/// out.
[[nodiscard]] std::vector<Sum> relay(const mpi::Communicator& comm, std::span<const Duty> duties,
                                     std::span<const Loaded> loaded);

}  // namespace holdfast::load
