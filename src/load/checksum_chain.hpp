#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "load/assign_readers.hpp"
#include "tensor/strided.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::load {

/// Tags of the messages between ranks that load. Messages of one tag arrive in the order in which they were sent.
namespace subject {
constexpr int sum = 2, part = 3;
}

/// The checksum of a chunk, as this rank computed it.
struct ChunkSum {
  std::uint64_t row = 0;
  std::uint64_t value = 0;
};

/// A range of a chunk that lies in this rank's memory.
struct LoadedRange {
  ByteRange range;
  StridedMemory memory;
};
/// This rank's loaded ranges by row and end, where a chain cuts none. Of two with the same end the longer one serves
/// for both.
using LoadedRanges = std::map<std::pair<std::uint64_t, std::uint64_t>, LoadedRange>;

/// Collective among the ranks of the links. Computes the checksums of chunks that several ranks have loaded together,
/// from their memory: each rank adds its range and hands the unfinished checksum, some hundred bytes, to the next rank,
/// so nothing is read again. The ranks work on different chunks at the same time. Returns the checksums that end on
/// this rank. `links` are in the order of ReadAssignment::links.
[[nodiscard]] std::vector<ChunkSum> checksum_chain(const mpi::Communicator& comm, const std::vector<ChainLink>& links,
                                                   const LoadedRanges& loaded);

}  // namespace holdfast::load
