#pragma once

#include <memory>

#include "storage/storage.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::storage {

/// One HDF5 file. Datasets are contiguous, allocated early and never filled. Writer 0 alone makes the metadata (hdf5_layout.hpp),
/// so that a full disk is an ordinary Error of one process, met before HDF5 has the file open anywhere; all write the data
/// (data_writer.hpp), in the way that settings.engine says, or that suits the file system of the first file, and their own rows
/// of the tables (table_file.hpp). `comm` is borrowed.
[[nodiscard]] std::unique_ptr<FileEngine> make_file_engine(const mpi::Communicator& comm, FileSettings settings = {});

}  // namespace holdfast::storage
