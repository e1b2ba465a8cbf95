#pragma once

#include <memory>

#include "storage/storage.hpp"

namespace holdfast::storage {

/// How the bytes of a writer's chunks get into a file that has its layout (hdf5_layout.hpp). Every writer has one, and works for
/// itself: no member is collective.
class DataWriter {
 public:
  virtual ~DataWriter() = default;
  /// The chunks are in the file on return. `addresses` says where each dataset begins in it. Throws Error(storage) with tensor,
  /// path and errno, and leaves nothing open.
  virtual void write(const std::filesystem::path& path, std::span<const plan::Dataset> datasets, std::span<const Chunk> chunks,
                     std::span<const std::uint64_t> addresses) = 0;
  /// How the last write() was done, for the event log.
  [[nodiscard]] virtual FileSettings settings() const = 0;
};

/// By H5Dwrite through MPI-IO and the page cache.
[[nodiscard]] std::unique_ptr<DataWriter> make_mpi_io_data_writer(FileSettings settings);

/// To the datasets' addresses, around the page cache (direct_file.hpp). Small chunks that are neighbours in the file are gathered
/// into large writes.
[[nodiscard]] std::unique_ptr<DataWriter> make_direct_data_writer(FileSettings settings);

}  // namespace holdfast::storage
