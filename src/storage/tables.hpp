#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/checksum.hpp"
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
};

// Rows as they stand in the file.

/// What follows the name in a row of the datasets table.
struct [[gnu::packed]] DatasetRow {
  std::uint8_t kind = 0;
  std::uint8_t dtype = 0;
  std::uint8_t dimensions = 0;
  std::uint64_t shape = 0;    ///< where its shape starts in the shapes table
  std::uint64_t address = 0;  ///< where its bytes start in the file; 0 for one without bytes
};
static_assert(sizeof(DatasetRow) == 19);

struct ChunkRow {
  std::uint64_t dataset = 0;
  std::int64_t rank = -1;
  std::uint64_t first = 0;  ///< where the box starts in the boxes table
  std::uint64_t xxh3 = 0;
};
static_assert(sizeof(ChunkRow) == 32);

/// One writer's part of the chunk and box tables; in the last row, the whole.
struct PartRow {
  std::uint64_t chunks = 0;
  std::uint64_t boxes = 0;
  std::uint64_t xxh3 = 0;

  bool operator==(const PartRow&) const = default;
};
static_assert(sizeof(PartRow) == 24);

/// Number of rows in each table.
struct TableSizes {
  std::uint64_t datasets = 0;
  std::uint64_t name_bytes = 1;  ///< of the longest name, and a NUL
  std::uint64_t shapes = 0;
  std::uint64_t chunks = 0;
  std::uint64_t boxes = 0;
  std::uint64_t parts = 0;

  [[nodiscard]] std::uint64_t dataset_row_bytes() const noexcept { return name_bytes + sizeof(DatasetRow); }
};
/// Of the tables that only depend on the datasets; the others are 0.
[[nodiscard]] TableSizes sizes_of(std::span<const plan::Dataset> datasets);

/// The datasets and shapes tables: what is known before any chunk is.
struct Definitions {
  Bytes rows;
  std::vector<std::uint64_t> shapes;

  [[nodiscard]] Checksum checksum() const;
};
/// `addresses` has one for each dataset.
[[nodiscard]] Definitions make_definitions(std::span<const plan::Dataset> datasets, std::span<const std::uint64_t> addresses);

/// One writer's rows of the chunk table, and its numbers of the boxes table.
struct Segment {
  std::vector<ChunkRow> chunks;
  std::vector<std::uint64_t> boxes;

  [[nodiscard]] PartRow part() const;
};
/// Chunks are put in the order of dataset, box, rank. `first_box` is where this segment starts in the boxes table.
[[nodiscard]] Segment make_segment(std::vector<ChunkRecord> chunks, std::uint64_t first_box);
/// The parts table, from its rows for the writers and the checksum of the definitions.
[[nodiscard]] std::vector<PartRow> make_parts(std::vector<PartRow> writers, Checksum definitions);

/// All of them, as read from a file that is not to be believed.
struct Tables {
  TableSizes sizes;
  Definitions definitions;
  std::vector<ChunkRow> chunks;
  std::vector<std::uint64_t> boxes;
  std::vector<PartRow> parts;
};
/// Throws Error(corrupt) unless every byte of the tables is as the parts table says.
void check_sums(const Tables& tables);

/// What the file has, and where.
struct PlacedDatasets {
  std::vector<plan::Dataset> datasets;
  std::vector<std::uint64_t> addresses;  ///< 0 for one without bytes
};
/// Throws Error(corrupt) naming the tensor that cannot be, or not in a file of `file_bytes`; any place but 0 is taken.
[[nodiscard]] PlacedDatasets parse_datasets(const Tables& tables, std::uint64_t file_bytes);
/// Throws Error(corrupt) where a row refers to a dataset or box that is not there, or a box does not fit its dataset.
[[nodiscard]] std::vector<ChunkRecord> parse_chunks(const Tables& tables, std::span<const plan::Dataset> datasets);

}  // namespace holdfast::storage
