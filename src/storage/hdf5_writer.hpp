#pragma once

#include <memory>

#include "storage/storage.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::storage {

/// The collective engine: one HDF5 file, its data written by all through MPI-IO. Datasets are contiguous, allocated early
/// and never filled. Datasets of at least 1 MiB are written by collective H5Dwrite, smaller ones independently, so that
/// thousands of small tensors do not cost a collective call each. Writer 0 alone makes the metadata and the tables
/// (hdf5_layout.hpp), so that a full disk is an ordinary Error of one process, met before HDF5 has the file open anywhere.
/// `comm` is borrowed.
[[nodiscard]] std::unique_ptr<FileEngine> make_hdf5_writer(const mpi::Communicator& comm, FileSettings settings = {});

}  // namespace holdfast::storage
