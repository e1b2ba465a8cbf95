#pragma once

#include <filesystem>
#include <holdfast/options.hpp>
#include <holdfast/planner.hpp>
#include <holdfast/state_dict.hpp>

#include "wrap/mpi.hpp"

namespace holdfast::load {

/// Collective: Checkpointer::load without the Checkpointer.
///
/// 1. rank 0 finds the line of the directory's checkpoints; all ranks take its newest one (or the step or file that is
///    given)
/// 2. every rank opens the file and makes its read list; disagreements with the StateDict are thrown everywhere
/// 3. ranks that want parts of the same chunk agree on who reads it
/// 4. each rank reads into place what it reads for itself, and verifies whole chunks meanwhile
/// 5. chunks that neither step 4 nor step 6 can verify are read in turn, verified, and handed around
/// 6. chunks that several ranks have read together, in whole rows, are verified in memory: the unfinished checksum goes
///    from rank to rank
///
/// With options.verify_first everything that will be read is verified before step 4. In that case, and without
/// options.verify, each rank reads everything for itself. A damaged file is passed over for the one before, with a
/// warning, unless step or file were given. Each rank uses up to `threads` threads for what it reads for itself, and
/// one for shared chunks.
[[nodiscard]] LoadReport load(const mpi::Communicator& comm, const std::filesystem::path& directory, StateDict& state,
                              const LoadOptions& options, const LoadPlanner& planner = {}, int threads = 1);

/// Local. Adds the load to the directory's event log, and makes the log with the mode bits `file_mode` if there is
/// none. If the log cannot be written, the load is good all the same. Not for a load that only reads: it leaves nothing
/// in a directory that may be another user's.
void note(const std::filesystem::path& directory, const LoadReport& report, int world_size, std::uint32_t file_mode);

}  // namespace holdfast::load
