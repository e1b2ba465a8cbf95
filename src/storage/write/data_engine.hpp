#pragma once

#include <memory>

#include "storage/write/checkpoint_file.hpp"

namespace holdfast::storage {

/// Writes a writer's chunks into a file that has its layout (layout_maker.hpp). Each writer has its own engine; no
/// member is collective.
class DataEngine {
 public:
  virtual ~DataEngine() = default;
  /// Writes the chunks; they are in the file on return. `addresses` has the file offset of each dataset. Throws
  /// Error(storage) with tensor, path and errno. Leaves nothing open.
  virtual void write(const std::filesystem::path& path, std::span<const plan::Dataset> datasets,
                     std::span<const Chunk> chunks, std::span<const std::uint64_t> addresses) = 0;
  /// The settings in force in the last write(), for the event log.
  [[nodiscard]] virtual FileSettings settings() const = 0;
};

/// Writes by H5Dwrite, through MPI-IO and the page cache.
[[nodiscard]] std::unique_ptr<DataEngine> make_mpi_io_engine(FileSettings settings);

/// Writes to the datasets' addresses, around the page cache (direct_file.hpp). Gathers small chunks that are adjacent
/// in the file into large writes.
[[nodiscard]] std::unique_ptr<DataEngine> make_direct_engine(FileSettings settings);

}  // namespace holdfast::storage
