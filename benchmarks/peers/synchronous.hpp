#pragma once

#include <filesystem>

#include "sharded_state.hpp"

/// The two ways in which an MPI program saves its state without any help, as its manuals show them. Collective over
/// MPI_COMM_WORLD; durable on return. They throw Error or std::system_error.
namespace holdfast::benchmarks {

/// One HDF5 file, one dataset per tensor, one collective H5Dwrite each; closed, and fsync.
void write_by_hdf5(const std::filesystem::path& path, const ShardedState& state);
/// One file of nothing but the tensors, one MPI_File_write_at_all each; closed, and fsync.
void write_by_mpi_io(const std::filesystem::path& path, const ShardedState& state);

}  // namespace holdfast::benchmarks
