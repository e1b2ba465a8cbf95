#pragma once

#include <memory>

#include "storage/storage.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::storage {

/// How the bytes of chunks get into a file that has its layout (hdf5_layout.hpp).
class DataWriter {
 public:
  virtual ~DataWriter() = default;
  /// Collective over the writers: all chunks are in the file on return, or the same Error on all. `addresses` says where each
  /// dataset begins in the file.
  virtual void write(const std::filesystem::path& path, const SaveRequest& request, std::span<const std::uint64_t> addresses) = 0;
  /// Local. How the last write() was done, for the event log.
  [[nodiscard]] virtual FileSettings settings() const = 0;
};

/// By H5Dwrite through MPI-IO: datasets of at least 1 MiB by collective calls, smaller ones independently, so that thousands of
/// small tensors do not cost a collective call each. `comm` is borrowed.
[[nodiscard]] std::unique_ptr<DataWriter> make_collective_data_writer(const mpi::Communicator& comm, FileSettings settings);

/// By every writer for itself to the datasets' addresses, around the page cache (direct_file.hpp). Small chunks that are
/// neighbours in the file are gathered into large writes. `comm` is borrowed.
[[nodiscard]] std::unique_ptr<DataWriter> make_direct_data_writer(const mpi::Communicator& comm, FileSettings settings);

}  // namespace holdfast::storage
