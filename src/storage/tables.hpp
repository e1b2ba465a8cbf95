#pragma once

#include <cstdint>
#include <functional>
#include <optional>
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
  std::uint64_t row = 0;  ///< which one it is, where it was read from a file

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

// What is read from a file, which is not to be believed.

/// The tables that all who read the file need, and the sizes of all of them.
struct Index {
  TableSizes sizes;
  Definitions definitions;
  std::vector<PartRow> parts;
};
/// Throws Error(corrupt) unless these tables have their checksum, and the parts are as many rows as the chunk tables have.
void check_index(const Index& index);

/// What the file has, and where.
struct PlacedDatasets {
  std::vector<plan::Dataset> datasets;
  std::vector<std::uint64_t> addresses;  ///< 0 for one without bytes
};
/// Throws Error(corrupt) naming the tensor that cannot be, or not in a file of `file_bytes`; any place but 0 is taken.
[[nodiscard]] PlacedDatasets parse_datasets(const Index& index, std::uint64_t file_bytes);

/// Which chunks of a dataset are wanted: all, or only one rank's, or only those that share an element with a box.
struct Interest {
  std::optional<int> rank = {};
  const Box* box = nullptr;  ///< borrowed; of as many dimensions as the dataset
};
/// For each dataset; nothing where no chunk of it is wanted.
using Interests = std::vector<std::optional<Interest>>;

/// Where a writer's rows begin in their tables.
struct Place {
  std::uint64_t chunk = 0, box = 0;
};
/// Adds the wanted chunks of one writer's rows. Throws Error(corrupt) where a row refers to a dataset or box that is not there,
/// or a box does not fit its dataset.
void parse_segment(const Segment& segment, const Place& place, std::span<const plan::Dataset> datasets,
                   const Interests& interests, std::vector<ChunkRecord>& wanted);

/// Fills the segment, which has its size, with the rows at `place`.
using ReadRows = std::function<void(const Place& place, Segment& segment)>;

/// The wanted chunks, in the order of rows. All rows are read and held against their checksums, one writer's at a time, so that
/// what is wanted and one segment are all that is in memory. Throws Error(corrupt) where a checksum is wrong, and as
/// parse_segment() does. `index` has passed check_index().
[[nodiscard]] std::vector<ChunkRecord> read_chunks(const Index& index, const ReadRows& read,
                                                   std::span<const plan::Dataset> datasets, const Interests& interests);

}  // namespace holdfast::storage
