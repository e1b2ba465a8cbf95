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
/// 3. every chunk that any rank touches is verified by one rank, shared out by bytes
/// 4. reads into place; nothing was written before this point
/// With options.verify_first off, 4 comes before 3: what a rank reads of whole chunks is verified while it is read, and 3 is
/// about the others. A file that is damaged is passed over for the one before, with a warning, unless the step was given. Each
/// rank reads with up to `threads` threads.
[[nodiscard]] LoadReport load(const mpi::Communicator& comm, const std::filesystem::path& directory, StateDict& state,
                              const LoadOptions& options, int threads = 1);

}  // namespace holdfast::load
