#pragma once

#include <cstdint>
#include <filesystem>
#include <holdfast/catalog.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/plan.hpp"
#include "storage/tables.hpp"

namespace holdfast::storage {

/// What a file's own attributes say; nothing else of it is read. Throws as CheckpointReader does.
[[nodiscard]] CheckpointInfo read_info(const std::filesystem::path& path);

/// One checkpoint file opened for reading; local, POSIX, no MPI-IO. Throws Error(corrupt) for anything that is not a whole
/// Holdfast file, unsupported_version for a newer format, storage where the system refuses; always with the path, never
/// crashing on damaged bytes. Not thread-safe.
class CheckpointReader {
 public:
  explicit CheckpointReader(const std::filesystem::path& path);
  ~CheckpointReader();
  CheckpointReader(CheckpointReader&&) noexcept;
  CheckpointReader& operator=(CheckpointReader&&) noexcept;

  [[nodiscard]] const CheckpointInfo& info() const noexcept;
  /// The datasets in the order of the datasets table, with the types and shapes that the file has.
  [[nodiscard]] const std::vector<plan::Dataset>& datasets() const noexcept;
  [[nodiscard]] const std::vector<ChunkRecord>& chunks() const noexcept;
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view name) const;

  /// Reads a box of a dataset into `packed` (volume times size of the dtype; for strings, bytes).
  void read(std::uint32_t dataset, const Box& box, std::byte* packed) const;
  /// Reads a chunk in pieces of at most 16 MiB and compares its checksum; throws Error(corrupt) naming tensor, box and
  /// rank where it differs.
  void verify(const ChunkRecord& chunk) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::storage
