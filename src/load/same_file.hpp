#pragma once

#include <holdfast/catalog.hpp>
#include <holdfast/error.hpp>
#include <optional>

#include "wrap/mpi.hpp"

namespace holdfast::load {

/// Collective; each rank brings what it has found under `path`, null where it could not open it, and the error that it has met
/// then or later. Throws the same Error on all ranks if any has one. Where not all have found the same file, as where a directory
/// is not on a file system that all nodes share, the Error says so, and names two ranks, their hosts and what they see.
void require_same_file(const mpi::Communicator& comm, const std::filesystem::path& path, const CheckpointInfo* mine,
                       const std::optional<Error>& error);

}  // namespace holdfast::load
