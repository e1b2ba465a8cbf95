#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <holdfast/catalog.hpp>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "plan/names.hpp"
#include "storage/format/lineage.hpp"
#include "storage/format/tables.hpp"
#include "storage/read/source_file.hpp"

namespace holdfast::storage {

/// The header of a file: the attributes of its root group.
struct Head {
  CheckpointInfo info;
  Lineage lineage;
};
/// Reads the header alone. Throws as CheckpointReader does.
[[nodiscard]] Head read_head(const std::filesystem::path& path);

/// One checkpoint file opened for reading; local, POSIX, no MPI-IO. Throws Error(corrupt) for anything but a whole
/// Holdfast file, unsupported_version for another format, storage for a failed system call, always with the path;
/// damaged bytes never crash it. HDF5 tells where the tables are when the file is opened, and the tables tell where
/// everything else is. const members then read by positioned reads (box_reader.hpp) and may be called by any number of
/// threads.
class CheckpointReader {
 public:
  /// Opens the file and reads all rows of its chunk table.
  explicit CheckpointReader(const std::filesystem::path& path);
  /// Opens the file without reading its chunk table, so that the caller knows the datasets before read_chunks().
  [[nodiscard]] static CheckpointReader open(const std::filesystem::path& path);
  ~CheckpointReader();
  CheckpointReader(CheckpointReader&&) noexcept;
  CheckpointReader& operator=(CheckpointReader&&) noexcept;

  [[nodiscard]] const CheckpointInfo& info() const noexcept;
  /// The datasets in the order of the datasets table.
  [[nodiscard]] const std::vector<plan::Dataset>& datasets() const noexcept;
  /// Reads the chunk table and keeps the wanted rows, once, after open(). Verifies the checksums of all rows.
  void read_chunks(const Interests& wanted);
  /// The rows that read_chunks() kept, in the order of the table.
  [[nodiscard]] const std::vector<ChunkRecord>& chunks() const noexcept;
  [[nodiscard]] const plan::Names& names() const noexcept;

  [[nodiscard]] const SourceFile& source() const noexcept;
  /// File offset of a dataset, whose bytes lie contiguously inside the file; 0 for a dataset without bytes.
  [[nodiscard]] std::uint64_t address_of(std::uint32_t dataset) const;
  /// Opens every dataset by HDF5, as other programs do, and returns the differences from the tables, each as an Error
  /// that names the tensor. One thread of the process at a time.
  [[nodiscard]] std::vector<Error> differences_from_hdf5() const;
  /// The name of the last dataset that begins at or before `offset`; empty if there is none.
  [[nodiscard]] std::string dataset_at(std::uint64_t offset) const;

  /// Reads a box of a dataset into `packed` (volume times size of the dtype; for a string, its bytes). Throws
  /// Error(invalid_argument) for a box outside of the dataset.
  void read(std::uint32_t dataset, const Box& box, std::byte* packed) const;
  /// Reads a chunk and checks its checksum, as check_sum() does.
  void verify(const ChunkRecord& chunk) const;
  /// Throws Error(corrupt), naming tensor, box and rank, unless `sum` is the chunk's checksum.
  void check_sum(const ChunkRecord& chunk, std::uint64_t sum) const;

 private:
  class Impl;
  explicit CheckpointReader(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::storage
