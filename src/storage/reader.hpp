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
#include "storage/lineage.hpp"
#include "storage/source_file.hpp"
#include "storage/tables.hpp"

namespace holdfast::storage {

/// What a file's own attributes say.
struct Head {
  CheckpointInfo info;
  Lineage lineage;
};
/// Nothing else of the file is read. Throws as CheckpointReader does.
[[nodiscard]] Head read_head(const std::filesystem::path& path);

/// What somebody wants to know of each dataset of a file that so many ranks saved.
using InterestsIn = std::function<Interests(std::span<const plan::Dataset> datasets, const plan::Names& names, int world_size)>;

/// One checkpoint file opened for reading; local, POSIX, no MPI-IO. Throws Error(corrupt) for anything that is not a whole
/// Holdfast file, unsupported_version for another format, storage where the system refuses; always with the path, never
/// crashing on damaged bytes. HDF5 is asked where the tables are when it is opened, which say where everything lies; what members
/// read afterwards comes from there by our own calls (fetch.hpp), so any number of threads may use an object then.
class CheckpointReader {
 public:
  /// Keeps the chunks that `interests_in` wants, all without it; the checksums of the tables are checked in any case.
  explicit CheckpointReader(const std::filesystem::path& path, const InterestsIn& interests_in = {});
  ~CheckpointReader();
  CheckpointReader(CheckpointReader&&) noexcept;
  CheckpointReader& operator=(CheckpointReader&&) noexcept;

  [[nodiscard]] const CheckpointInfo& info() const noexcept;
  /// The datasets in the order of the datasets table.
  [[nodiscard]] const std::vector<plan::Dataset>& datasets() const noexcept;
  /// In the order of the chunk table.
  [[nodiscard]] const std::vector<ChunkRecord>& chunks() const noexcept;
  [[nodiscard]] const plan::Names& names() const noexcept;

  /// The file, and where in it a dataset begins; its bytes lie inside, contiguously. 0 for one without bytes.
  [[nodiscard]] const SourceFile& source() const noexcept;
  [[nodiscard]] std::uint64_t address_of(std::uint32_t dataset) const;
  /// Opens every dataset by HDF5, as any other program would, and returns what is not as the tables say: each an Error(corrupt)
  /// that names the tensor. HDF5 serves one thread at a time.
  [[nodiscard]] std::vector<Error> differences_from_hdf5() const;
  /// The name of the dataset that has the byte at `offset`; empty if it lies before all of them.
  [[nodiscard]] std::string dataset_at(std::uint64_t offset) const;

  /// Reads a box of a dataset into `packed` (volume times size of the dtype; for strings, bytes).
  void read(std::uint32_t dataset, const Box& box, std::byte* packed) const;
  /// Reads a chunk and compares its checksum.
  void verify(const ChunkRecord& chunk) const;
  /// Throws Error(corrupt) naming tensor, box and rank where `sum` is not the chunk's checksum.
  void check_sum(const ChunkRecord& chunk, std::uint64_t sum) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::storage
