#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <optional>
#include <vector>

#include "load/checksum_chain.hpp"
#include "load/read_sink.hpp"
#include "load/slab_schedule.hpp"
#include "storage/read/source.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::load {

/// The outcome of shared_read() on this rank.
struct SharedReadResult {
  std::vector<ChunkSum> sums;  ///< checksums of the chunks whose last slab this rank has read
  std::uint64_t bytes_read = 0;
  std::optional<Error> failure = {};  ///< the first failure; parts of some ranks, and sums, may be wrong then
};

/// Bytes of the largest slab of a shared chunk, and so of the longest message to a rank whose boxes do not overlap.
constexpr std::uint64_t slab_bytes = 4 << 20;

/// Collective among the ranks that share chunks; does nothing on other ranks. Reads the chunks, each byte once, and
/// brings every rank's part to its place. All ranks go through the slabs in one order (slab_schedule.hpp). For each
/// slab:
///
/// 1. its reader has read it, ahead of its turn as far as memory allows, and has sent the others their parts
/// 2. the others receive their parts and put them in place; the reader puts its own part in place
/// 3. the reader takes the chunk's unfinished checksum from the reader of the slab before, adds the slab, and hands the
///    checksum on
///
/// A rank has at most 16 MiB of slabs in memory, and the parts of these on their way to others.
///
/// No rank waits for ever: all ranks can get through the first slab that some rank is not through with. All slabs
/// before it are over. So their parts have been taken, its reader has memory for it and has received the checksum, and
/// the ranks that want a part of it have come to it. (A checksum may be taken later: its sender does not wait for that
/// before the end.) A rank that fails goes on sending bytes that no longer matter.
[[nodiscard]] SharedReadResult shared_read(const mpi::Communicator& comm, const storage::Source& file,
                                           const std::vector<SharedChunk>& chunks, ReadSink& sink);

}  // namespace holdfast::load
