#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <holdfast/catalog.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plan/names.hpp"
#include "storage/format/tables.hpp"
#include "storage/read/hdf5_view.hpp"
#include "storage/read/source_file.hpp"

namespace holdfast::storage {

/// A checkpoint to read from, in whatever form it is stored. Opening it is local, by POSIX calls and HDF5, without
/// MPI-IO, and tells the datasets; read_chunks() tells what of them each rank saved. const members then read, and may
/// be called by any number of threads. Throws Error(corrupt) for anything but a whole checkpoint, unsupported_version
/// for another format, storage for a failed system call, always with the path; damaged bytes never crash it.
class Source {
 public:
  virtual ~Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  [[nodiscard]] const CheckpointInfo& info() const noexcept { return info_; }
  /// The datasets in the order in which chunks count them.
  [[nodiscard]] const std::vector<plan::Dataset>& datasets() const noexcept { return datasets_; }
  [[nodiscard]] const plan::Names& names() const noexcept { return *names_; }
  /// Whether chunks have checksums. Without them nothing that is read can be verified.
  [[nodiscard]] bool has_checksums() const noexcept { return has_checksums_; }
  /// Reads the chunk table and keeps the wanted rows, once. Verifies the checksums of all rows.
  virtual void read_chunks(const Interests& wanted) = 0;
  /// The rows that read_chunks() kept, in the order of the table.
  [[nodiscard]] const std::vector<ChunkRecord>& chunks() const noexcept { return chunks_; }

  /// One file or several. A position counts bytes through all of them, one file after the other.
  struct Part {
    Part(const std::filesystem::path& path, std::uint64_t position) : file(path), begin(position) {}

    SourceFile file;
    std::uint64_t begin = 0;  ///< position of its first byte
  };
  /// The part that a position lies in.
  [[nodiscard]] const Part& part_at(std::uint64_t position) const;
  /// Position of a dataset's first byte; 0 for a dataset without bytes. A dataset that is encoded has one behind all
  /// files, which only says in which order datasets are best read.
  [[nodiscard]] std::uint64_t position_of(std::uint32_t dataset) const { return positions_.at(dataset); }
  /// Whether the dataset's bytes have to be decoded. Otherwise they lie contiguously in one file.
  [[nodiscard]] bool is_encoded(std::uint32_t dataset) const { return !encoded_.empty() && encoded_.at(dataset); }
  /// Reads a box of an encoded dataset, not empty, into `packed`.
  virtual void decode(std::uint32_t dataset, const Box& box, std::byte* packed) const;
  /// The name of the last dataset that begins at or before the position; empty if there is none.
  [[nodiscard]] std::string dataset_at(std::uint64_t position) const;
  /// What other programs would see otherwise than this class does, each as an Error that names the tensor.
  [[nodiscard]] virtual std::vector<Error> other_views() const { return {}; }

  /// Reads a box of a dataset into `packed` (volume times size of the dtype; for a string, its bytes). Throws
  /// Error(invalid_argument) for a box outside of the dataset.
  void read(std::uint32_t dataset, const Box& box, std::byte* packed) const;
  /// Reads a chunk and checks its checksum, as check_sum() does.
  void verify(const ChunkRecord& chunk) const;
  /// Throws Error(corrupt), naming tensor, box and rank, unless `sum` is the chunk's checksum.
  void check_sum(const ChunkRecord& chunk, std::uint64_t sum) const;

 protected:
  Source() = default;
  /// Adds a file behind the ones before. Throws as SourceFile does.
  const Part& add_part(const std::filesystem::path& path);
  void set_datasets(std::vector<plan::Dataset> datasets, std::vector<std::uint64_t> positions);
  /// Gives an encoded dataset a position.
  void set_encoded(std::uint32_t dataset);
  void set_position(std::uint32_t dataset, std::uint64_t position) { positions_[dataset] = position; }

  CheckpointInfo info_;
  std::vector<ChunkRecord> chunks_;
  bool has_checksums_ = true;

 private:
  std::deque<Part> parts_;
  std::vector<plan::Dataset> datasets_;
  std::optional<plan::Names> names_;
  std::vector<std::uint64_t> positions_;
  std::vector<bool> encoded_;  ///< empty if no dataset is
  std::uint64_t end_ = 0;      ///< position behind everything
};

/// Opens a checkpoint; what lies there says how. A folder is one of safetensors.
[[nodiscard]] std::unique_ptr<Source> open_source(const std::filesystem::path& path,
                                                  FilterPlugins plugins = FilterPlugins::refuse);
/// The same with all rows of the chunk table read.
[[nodiscard]] std::unique_ptr<const Source> open_whole(const std::filesystem::path& path,
                                                       FilterPlugins plugins = FilterPlugins::refuse);

}  // namespace holdfast::storage
