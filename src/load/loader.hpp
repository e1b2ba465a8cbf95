#pragma once

#include <filesystem>
#include <holdfast/options.hpp>
#include <holdfast/state_dict.hpp>

#include "wrap/mpi.hpp"

namespace holdfast::load {

/// Collective: Checkpointer::load without the Checkpointer.
///
/// 1. rank 0 finds the line of the directory's checkpoints; all take the newest of it (or the step that is given)
/// 2. every rank opens the file and makes its read list; disagreements with the StateDict are thrown everywhere
/// 3. ranks that want something of the same chunk agree on who reads it
/// 4. each reads what it reads for itself into place; whole chunks are verified meanwhile
/// 5. chunks that none can verify by itself, nor several by what they have in whole rows, are read by turns, verified, and handed
///    around
/// 6. what several ranks have read in whole rows is verified in memory, the unfinished checksum going from rank to rank
/// With options.verify_first all that will be read is verified before; then, and without options.verify, each rank reads for
/// itself. A file that is damaged is passed over for the one before, with a warning, unless the step was given. Each rank reads
/// for itself with up to `threads` threads, by turns with one.
[[nodiscard]] LoadReport load(const mpi::Communicator& comm, const std::filesystem::path& directory, StateDict& state,
                              const LoadOptions& options, int threads = 1);

/// Local. Adds the load to the directory's event log, which is made with the bits of `file_mode` if it is not there. Where it cannot
/// be written, the load is good all the same. Not for a load that only reads: it leaves nothing in a directory that may be another
/// user's.
void note(const LoadReport& report, int world_size, std::uint32_t file_mode);

}  // namespace holdfast::load
