#pragma once

#include <holdfast/catalog.hpp>
#include <holdfast/error.hpp>
#include <optional>

#include "wrap/mpi.hpp"

namespace holdfast::load {

/// Collective. Checks that all ranks have found the same file under `path`. `mine` is what this rank has found, null
/// where it could not open the file; `error` is what it failed with then or later. Throws the same Error on all ranks
/// if any has one. Where ranks have found different files, as in a directory that is not on a file system that all
/// nodes share, the Error says so, and names two ranks, their hosts and what they see.
void require_same_file(const mpi::Communicator& comm, const std::filesystem::path& path, const CheckpointInfo* mine,
                       const std::optional<Error>& error);

}  // namespace holdfast::load
