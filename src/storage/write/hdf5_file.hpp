#pragma once

#include <memory>

#include "storage/write/checkpoint_file.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::storage {

/// Writes HDF5 files. Datasets are contiguous, allocated early and never filled. Writer 0 alone makes the metadata
/// (layout_maker.hpp), so that a full disk is an ordinary Error of one process, thrown before HDF5 has the file open
/// anywhere. Every writer writes its data (data_engine.hpp) and its rows of the tables (table_file.hpp). If
/// settings.engine is automatic, the MPI-IO settings and the file system of the first file choose the engine. `comm` is
/// borrowed.
[[nodiscard]] std::unique_ptr<CheckpointFile> make_checkpoint_file(const mpi::Communicator& comm,
                                                                   FileSettings settings = {});

}  // namespace holdfast::storage
