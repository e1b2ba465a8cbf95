#pragma once

#include <filesystem>
#include <holdfast/options.hpp>
#include <holdfast/state_dict.hpp>

#include "wrap/mpi.hpp"

namespace holdfast::load {

/// Collective: Checkpointer::load without the Checkpointer.
///
/// 1. rank 0 lists the steps; all take the newest (or the given one)
/// 2. every rank opens the file and makes its read list; disagreements with the StateDict are thrown everywhere
/// 3. reads into place; what a rank reads of whole chunks is verified meanwhile
/// 4. a chunk that several ranks have read together is verified in memory, its unfinished checksum going from rank to rank; what
///    is left is read once more, by one of them
/// With options.verify_first all that 3 will read is verified before it. A file that is damaged is passed over for the one
/// before, with a warning, unless the step was given. Each rank reads with up to `threads` threads.
[[nodiscard]] LoadReport load(const mpi::Communicator& comm, const std::filesystem::path& directory, StateDict& state,
                              const LoadOptions& options, int threads = 1);

}  // namespace holdfast::load
