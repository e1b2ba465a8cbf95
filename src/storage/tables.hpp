#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/codec.hpp"
#include "plan/plan.hpp"

/// The tables of a file, between the records that the code works with and the bytes on disk. No HDF5 in here.
namespace holdfast::storage {

/// A row of the chunk table.
struct ChunkRecord {
  std::uint32_t dataset = 0;
  int rank = -1;
  Box box;
  std::uint64_t checksum = 0;

  bool operator==(const ChunkRecord&) const = default;
  static void fields(auto& codec, auto& self) { codec(self.dataset, self.rank, self.box, self.checksum); }
};

/// A row of the chunk table as it stands in the file.
struct ChunkRow {
  std::uint64_t dataset = 0;
  std::int64_t rank = -1;
  std::uint64_t first = 0;  ///< where the box starts in the boxes table
  std::uint64_t xxh3 = 0;
};
static_assert(sizeof(ChunkRow) == 32);

/// Number of rows in each table: what is known before the checksums are.
struct TableSizes {
  std::uint64_t datasets = 0;
  std::uint64_t name_bytes = 1;  ///< of the longest name, and a NUL
  std::uint64_t chunks = 0;
  std::uint64_t boxes = 0;

  /// A row is a name, then its kind in one byte.
  [[nodiscard]] std::uint64_t dataset_row_bytes() const noexcept { return name_bytes + 1; }
};
[[nodiscard]] TableSizes sizes_of(std::span<const plan::Dataset> datasets);

struct Tables {
  TableSizes sizes;
  Bytes datasets;
  std::vector<ChunkRow> chunks;
  std::vector<std::uint64_t> boxes;

  /// XXH3 of the three, one after the other.
  [[nodiscard]] std::uint64_t checksum() const;
};
/// Chunks are put in the order of dataset, box, rank.
[[nodiscard]] Tables make_tables(std::span<const plan::Dataset> datasets, std::vector<ChunkRecord> chunks);

/// Names and kinds of the datasets table. Throws Error(corrupt) for a kind that is none.
[[nodiscard]] std::vector<plan::Dataset> parse_datasets(const Tables& tables);
/// Throws Error(corrupt) where a row refers to a dataset or box that is not there, or a box does not fit its dataset.
[[nodiscard]] std::vector<ChunkRecord> parse_chunks(const Tables& tables, std::span<const plan::Dataset> datasets);

}  // namespace holdfast::storage
