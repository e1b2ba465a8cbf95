#include "storage/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <tuple>

namespace holdfast::storage {
namespace {

Error corrupt(const char* sentence, const std::string& tensor = {}) {
  return {ErrorCode::corrupt, sentence, {.rank = -1, .host = {}, .path = {}, .tensor = tensor}};
}

plan::Dataset parse_definition(const char* name, std::uint64_t name_bytes, const DatasetRow& row,
                               std::span<const std::uint64_t> shapes) {
  plan::Dataset dataset{.name = {name, strnlen(name, name_bytes)},
                        .kind = static_cast<plan::Kind>(row.kind),
                        .dtype = static_cast<DType>(row.dtype),
                        .global = {}};
  if (dataset.kind >= plan::Kind::group) throw corrupt("its kind in the datasets table is none", dataset.name);
  if (row.dtype >= dtype_count) throw corrupt("its dtype in the datasets table is none", dataset.name);
  if (row.dimensions > max_dimensions || row.shape > shapes.size() || shapes.size() - row.shape < row.dimensions)
    throw corrupt("its shape in the datasets table is none", dataset.name);
  const auto shape = shapes.subspan(row.shape, row.dimensions);
  dataset.global.assign(shape.begin(), shape.end());
  if (dataset.kind == plan::Kind::string && (dataset.dtype != DType::u8 || dataset.global.size() != 1))
    throw corrupt("it should be a string", dataset.name);
  return dataset;
}

void check_size(const plan::Dataset& dataset, std::uint64_t address, std::uint64_t file_bytes) {
  const auto elements = checked_volume(dataset.global, size_of(dataset.dtype));
  if (!elements) throw corrupt("it has an impossible shape", dataset.name);
  const std::uint64_t bytes = *elements * size_of(dataset.dtype);
  if (bytes > file_bytes) throw corrupt("it is larger than the file", dataset.name);
  if (bytes > 0 && address == 0) throw corrupt("it has no place in the file", dataset.name);
}

ChunkRecord parse_chunk(const ChunkRow& row, std::span<const std::uint64_t> boxes, std::span<const plan::Dataset> datasets) {
  const auto bad = [&](const char* what) {
    return Error(ErrorCode::corrupt, fmt::format("a row of the chunk table has a bad {}", what));
  };
  if (row.dataset >= datasets.size()) throw bad("dataset");
  if (row.rank < 0 || row.rank > std::numeric_limits<int>::max()) throw bad("rank");
  const plan::Dataset& dataset = datasets[row.dataset];
  const std::size_t dimensions = dataset.global.size();
  if (row.first > boxes.size() || boxes.size() - row.first < 2 * dimensions) throw bad("box");
  const auto offset = boxes.begin() + static_cast<std::ptrdiff_t>(row.first),
             extent = offset + static_cast<std::ptrdiff_t>(dimensions);
  ChunkRecord chunk{.dataset = static_cast<std::uint32_t>(row.dataset),
                    .rank = static_cast<int>(row.rank),
                    .box = {{offset, extent}, {extent, extent + static_cast<std::ptrdiff_t>(dimensions)}},
                    .checksum = row.xxh3};
  if (!inside(chunk.box, dataset.global)) throw bad("box");
  return chunk;
}

PartRow part_of(std::span<const ChunkRow> chunks, std::span<const std::uint64_t> boxes) {
  Checksum sum;
  sum.update(std::as_bytes(chunks));
  sum.update(std::as_bytes(boxes));
  return {chunks.size(), boxes.size(), sum.value()};
}

/// The last row of the parts table.
PartRow closing_row(std::span<const PartRow> writers, Checksum definitions) {
  PartRow last;
  for (const PartRow& writer : writers) last.chunks += writer.chunks, last.boxes += writer.boxes;
  definitions.update(std::as_bytes(writers));
  last.xxh3 = definitions.value();
  return last;
}

}  // namespace

TableSizes sizes_of(std::span<const plan::Dataset> datasets) {
  TableSizes sizes{.datasets = datasets.size()};
  for (const plan::Dataset& dataset : datasets) {
    sizes.name_bytes = std::max<std::uint64_t>(sizes.name_bytes, dataset.name.size() + 1);
    sizes.shapes += dataset.global.size();
  }
  return sizes;
}

Checksum Definitions::checksum() const {
  Checksum sum;
  sum.update(rows);
  sum.update(std::as_bytes(std::span(shapes)));
  return sum;
}

Definitions make_definitions(std::span<const plan::Dataset> datasets, std::span<const std::uint64_t> addresses) {
  const TableSizes sizes = sizes_of(datasets);
  Definitions made{.rows = Bytes(sizes.datasets * sizes.dataset_row_bytes()), .shapes = {}};
  made.shapes.reserve(sizes.shapes);
  std::byte* to = made.rows.data();
  for (std::size_t i = 0; i < datasets.size(); ++i) {
    const plan::Dataset& dataset = datasets[i];
    const DatasetRow row{.kind = static_cast<std::uint8_t>(dataset.kind),
                         .dtype = static_cast<std::uint8_t>(dataset.dtype),
                         .dimensions = static_cast<std::uint8_t>(dataset.global.size()),
                         .shape = made.shapes.size(),
                         .address = addresses[i]};
    std::memcpy(to, dataset.name.data(), dataset.name.size());
    std::memcpy(to + sizes.name_bytes, &row, sizeof row);
    to += sizes.dataset_row_bytes();
    made.shapes.insert(made.shapes.end(), dataset.global.begin(), dataset.global.end());
  }
  return made;
}

PartRow Segment::part() const {
  return part_of(chunks, boxes);
}

Segment make_segment(std::vector<ChunkRecord> chunks, std::uint64_t first_box) {
  std::ranges::sort(chunks, {}, [](const ChunkRecord& c) { return std::tie(c.dataset, c.box, c.rank); });
  Segment segment;
  segment.chunks.reserve(chunks.size());
  for (const ChunkRecord& chunk : chunks) {
    segment.chunks.push_back({chunk.dataset, chunk.rank, first_box + segment.boxes.size(), chunk.checksum});
    segment.boxes.insert(segment.boxes.end(), chunk.box.offset.begin(), chunk.box.offset.end());
    segment.boxes.insert(segment.boxes.end(), chunk.box.extent.begin(), chunk.box.extent.end());
  }
  return segment;
}

std::vector<PartRow> make_parts(std::vector<PartRow> writers, Checksum definitions) {
  writers.push_back(closing_row(writers, std::move(definitions)));
  return writers;
}

void check_sums(const Tables& tables) {
  if (tables.parts.empty()) throw corrupt("the parts table is empty");
  const auto writers = std::span(tables.parts).first(tables.parts.size() - 1);
  if (tables.parts.back() != closing_row(writers, tables.definitions.checksum()))
    throw corrupt("the datasets, shapes and parts tables do not have the checksum that they were written with");
  std::span<const ChunkRow> chunks = tables.chunks;
  std::span<const std::uint64_t> boxes = tables.boxes;
  for (const PartRow& part : writers) {
    if (part.chunks > chunks.size() || part.boxes > boxes.size()) throw corrupt("the chunk tables are shorter than their parts");
    if (part_of(chunks.first(part.chunks), boxes.first(part.boxes)) != part)
      throw corrupt("a part of the chunk tables does not have the checksum that it was written with");
    chunks = chunks.subspan(part.chunks);
    boxes = boxes.subspan(part.boxes);
  }
  if (!chunks.empty() || !boxes.empty()) throw corrupt("the chunk tables are longer than their parts");
}

PlacedDatasets parse_datasets(const Tables& tables, std::uint64_t file_bytes) {
  PlacedDatasets found;
  found.datasets.reserve(tables.sizes.datasets);
  found.addresses.reserve(tables.sizes.datasets);
  const std::byte* at = tables.definitions.rows.data();
  for (std::uint64_t i = 0; i < tables.sizes.datasets; ++i, at += tables.sizes.dataset_row_bytes()) {
    DatasetRow row;
    std::memcpy(&row, at + tables.sizes.name_bytes, sizeof row);
    found.datasets.push_back(
        parse_definition(reinterpret_cast<const char*>(at), tables.sizes.name_bytes, row, tables.definitions.shapes));
    found.addresses.push_back(std::uint64_t{row.address});  // not by reference: rows are packed
    check_size(found.datasets.back(), row.address, file_bytes);
  }
  return found;
}

std::vector<ChunkRecord> parse_chunks(const Tables& tables, std::span<const plan::Dataset> datasets) {
  std::vector<ChunkRecord> chunks;
  chunks.reserve(tables.chunks.size());
  for (const ChunkRow& row : tables.chunks) chunks.push_back(parse_chunk(row, tables.boxes, datasets));
  return chunks;
}

}  // namespace holdfast::storage
