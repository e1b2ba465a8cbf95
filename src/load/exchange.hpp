#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <optional>
#include <vector>

#include "load/place.hpp"
#include "load/relay.hpp"
#include "load/turns.hpp"
#include "storage/reader.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::load {

/// What came of exchange() on this rank.
struct Exchanged {
  std::vector<Sum> sums;  ///< of the chunks whose last slab it has read
  std::uint64_t bytes_read = 0;
  std::optional<Error> failure = {};  ///< the first one; parts of some ranks, and sums, may be wrong then
};

/// What a slab of a shared chunk has at most: a message is no longer.
constexpr std::uint64_t slab_bytes = 4 << 20;

/// Collective among the ranks that share chunks; for others there is nothing to do. Reads the chunks, each byte once, and brings
/// every rank's part to its place. All ranks go through the slabs in one order (turns.hpp), and for each
///
/// 1. its reader has read it, ahead of its turn, as far as memory allows, and sent the others their parts
/// 2. the others receive their parts and put them in place, as the reader does with its own
/// 3. the reader takes the chunk's unfinished checksum from the reader of the slab before, adds the slab, and hands it on
///
/// A rank has at most 16 MiB of slabs in memory, and the parts of these on their way to others.
///
/// Nobody waits for ever: the first slab that some rank is not through with is one that all can get through with. All slabs
/// before it are over, so their parts have been taken, its reader has memory to read it in and has been handed its checksum, and
/// those who want something of it have come to it. (Checksums are taken later than that: nobody waits for one to be taken before
/// the end.) A rank that fails goes on sending what no longer matters.
[[nodiscard]] Exchanged exchange(const mpi::Communicator& comm, const storage::CheckpointReader& file,
                                 const std::vector<SharedChunk>& chunks, Placement& placement);

}  // namespace holdfast::load
