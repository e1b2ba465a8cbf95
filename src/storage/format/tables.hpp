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
#include "tensor/box_index.hpp"

/// The tables of a file: conversion between records and rows on disk. Uses no HDF5.
namespace holdfast::storage {

/// A row of the chunk table, with its box.
struct ChunkRecord {
  std::uint32_t dataset = 0;
  int rank = -1;
  Box box;
  std::uint64_t checksum = 0;
  std::uint64_t row = 0;  ///< row number, if it was read from a file

  bool operator==(const ChunkRecord&) const = default;
};

// Rows as they are stored.

/// The part of a row of the datasets table that follows the name.
struct [[gnu::packed]] DatasetRow {
  std::uint8_t kind = 0;
  std::uint8_t dtype = 0;
  std::uint8_t dimensions = 0;
  std::uint64_t shape = 0;    ///< index of its shape in the shapes table
  std::uint64_t address = 0;  ///< file offset of its bytes; 0 if it has none
};
static_assert(sizeof(DatasetRow) == 19);

struct ChunkRow {
  std::uint64_t dataset = 0;
  std::int64_t rank = -1;
  std::uint64_t first = 0;  ///< index of its box in the boxes table
  std::uint64_t xxh3 = 0;
};
static_assert(sizeof(ChunkRow) == 32);

/// Size and checksum of one writer's part of the chunk and boxes tables; in the last row, of the whole.
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
  std::uint64_t name_bytes = 1;  ///< bytes of the longest name and a NUL
  std::uint64_t shapes = 0;
  std::uint64_t chunks = 0;
  std::uint64_t boxes = 0;
  std::uint64_t parts = 0;

  [[nodiscard]] std::uint64_t dataset_row_bytes() const noexcept { return name_bytes + sizeof(DatasetRow); }
};
/// Sizes of the tables that depend on the datasets alone; the others are 0.
[[nodiscard]] TableSizes sizes_of(std::span<const plan::Dataset> datasets);

/// The datasets and shapes tables, which are known before any chunk.
struct Definitions {
  Bytes rows;
  std::vector<std::uint64_t> shapes;

  [[nodiscard]] Checksum checksum() const;
};
/// `addresses` has one file offset per dataset.
[[nodiscard]] Definitions make_definitions(std::span<const plan::Dataset> datasets,
                                           std::span<const std::uint64_t> addresses);

/// One writer's part of the chunk and boxes tables.
struct Segment {
  std::vector<ChunkRow> chunks;
  std::vector<std::uint64_t> boxes;

  [[nodiscard]] PartRow part() const;
};
/// Sorts the chunks by dataset, box and rank. `first_box` is the segment's first index in the boxes table.
[[nodiscard]] Segment make_segment(std::vector<ChunkRecord> chunks, std::uint64_t first_box);
/// The parts table: the writers' rows, and a last row that also covers `definitions`.
[[nodiscard]] std::vector<PartRow> make_parts(std::vector<PartRow> writers, Checksum definitions);

// Reading. Nothing read from a file is trusted.

/// The tables that every reader needs, and the sizes of all tables.
struct Index {
  TableSizes sizes;
  Definitions definitions;
  std::vector<PartRow> parts;
};
/// Throws Error(corrupt) unless the tables match their checksum and the parts add up to the rows of the chunk tables.
void check_index(const Index& index);

/// The datasets of a file and their file offsets.
struct PlacedDatasets {
  std::vector<plan::Dataset> datasets;
  std::vector<std::uint64_t> addresses;  ///< 0 for a dataset without bytes
};
/// Throws Error(corrupt), naming the tensor, if its row is impossible or it is larger than `most_bytes`. Addresses are
/// not checked, except that a dataset with bytes has one.
[[nodiscard]] PlacedDatasets parse_datasets(const Index& index, std::uint64_t most_bytes);

/// The chunks of a dataset that are wanted: all, or those of one rank, or those that share an element with some boxes.
struct Interest {
  std::optional<int> rank = {};
  const BoxIndex* boxes = nullptr;  ///< borrowed; its boxes have the dataset's number of dimensions
};
/// One entry per dataset; empty if no chunk of it is wanted.
using Interests = std::vector<std::optional<Interest>>;

[[nodiscard]] bool is_wanted(const ChunkRecord& chunk, const std::optional<Interest>& interest);

/// Index of a writer's first row in the chunk table and in the boxes table.
struct RowPlace {
  std::uint64_t chunk = 0, box = 0;
};
/// Appends the wanted chunks of a segment to `wanted`. Throws Error(corrupt) if a row has an impossible dataset, rank
/// or box.
void parse_segment(const Segment& segment, const RowPlace& place, std::span<const plan::Dataset> datasets,
                   const Interests& interests, std::vector<ChunkRecord>& wanted);

/// Fills `segment`, which has its final size, with the rows at `place`.
using ReadRows = std::function<void(const RowPlace& place, Segment& segment)>;

/// The wanted chunks, in row order. Reads all rows and verifies their checksums, one writer's at a time, so that memory
/// holds only the wanted chunks and one segment. Throws Error(corrupt) for a wrong checksum, and as parse_segment()
/// does. `index` has passed check_index().
[[nodiscard]] std::vector<ChunkRecord> read_chunks(const Index& index, const ReadRows& read,
                                                   std::span<const plan::Dataset> datasets, const Interests& interests);

}  // namespace holdfast::storage
