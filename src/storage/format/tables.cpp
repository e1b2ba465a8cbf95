#include "storage/format/tables.hpp"

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
                        .kind = static_cast<plan::DatasetKind>(row.kind),
                        .dtype = static_cast<DType>(row.dtype),
                        .global = {}};
  if (dataset.kind >= plan::DatasetKind::group) throw corrupt("its kind in the datasets table is none", dataset.name);
  if (row.dtype >= dtype_count) throw corrupt("its dtype in the datasets table is none", dataset.name);
  if (row.dimensions > max_dimensions || row.shape > shapes.size() || shapes.size() - row.shape < row.dimensions)
    throw corrupt("its shape in the datasets table is none", dataset.name);
  const auto shape = shapes.subspan(row.shape, row.dimensions);
  dataset.global.assign(shape.begin(), shape.end());
  if (dataset.kind == plan::DatasetKind::string && (dataset.dtype != DType::u8 || dataset.global.size() != 1))
    throw corrupt("it should be a string", dataset.name);
  return dataset;
}

void check_size(const plan::Dataset& dataset, std::uint64_t address, std::uint64_t most_bytes) {
  const auto elements = checked_volume(dataset.global, size_of(dataset.dtype));
  if (!elements) throw corrupt("it has an impossible shape", dataset.name);
  const std::uint64_t bytes = *elements * size_of(dataset.dtype);
  if (bytes > most_bytes) throw corrupt("it is larger than the file", dataset.name);
  if (bytes > 0 && address == 0) throw corrupt("it has no place in the file", dataset.name);
}

Error bad(const char* what) {
  return Error(ErrorCode::corrupt, fmt::format("a row of the chunk table has a bad {}", what));
}

/// Checks a row, stores it in `chunk`, whose memory is reused from row to row, and returns whether it is wanted.
/// `boxes` is the segment's part of the boxes table, which begins at index `first_box`.
bool parse_chunk(const ChunkRow& row, std::span<const std::uint64_t> boxes, std::uint64_t first_box,
                 std::span<const plan::Dataset> datasets, const Interests& interests, ChunkRecord& chunk) {
  if (row.dataset >= datasets.size()) throw bad("dataset");
  if (row.rank < 0 || row.rank > std::numeric_limits<int>::max()) throw bad("rank");
  const plan::Dataset& dataset = datasets[row.dataset];
  const std::size_t dimensions = dataset.global.size();
  const std::uint64_t first = row.first - first_box;  // wraps around if it points before the segment
  if (first > boxes.size() || boxes.size() - first < 2 * dimensions) throw bad("box");
  const auto offset = boxes.subspan(first, dimensions), extent = boxes.subspan(first + dimensions, dimensions);
  chunk.dataset = static_cast<std::uint32_t>(row.dataset);
  chunk.rank = static_cast<int>(row.rank);
  chunk.box.offset.assign(offset.begin(), offset.end());
  chunk.box.extent.assign(extent.begin(), extent.end());
  chunk.checksum = row.xxh3;
  if (!inside(chunk.box, dataset.global)) throw bad("box");
  return is_wanted(chunk, interests[row.dataset]);
}

/// The last row of the parts table.
PartRow closing_row(std::span<const PartRow> writers, Checksum definitions) {
  PartRow last;
  for (const PartRow& writer : writers) {
    last.chunks += writer.chunks;
    last.boxes += writer.boxes;
  }
  definitions.update(std::as_bytes(writers));
  last.xxh3 = definitions.value();
  return last;
}

}  // namespace

bool is_wanted(const ChunkRecord& chunk, const std::optional<Interest>& interest) {
  if (!interest || (interest->rank && *interest->rank != chunk.rank)) return false;
  return interest->boxes == nullptr || interest->boxes->any(chunk.box);
}

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
  Checksum sum;
  sum.update(std::as_bytes(std::span(chunks)));
  sum.update(std::as_bytes(std::span(boxes)));
  return {chunks.size(), boxes.size(), sum.value()};
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

void check_index(const Index& index) {
  if (index.parts.empty()) throw corrupt("the parts table is empty");
  const auto writers = std::span(index.parts).first(index.parts.size() - 1);
  if (index.parts.back() != closing_row(writers, index.definitions.checksum()))
    throw corrupt("the datasets, shapes and parts tables do not have the checksum that they were written with");
  std::uint64_t chunks = index.sizes.chunks, boxes = index.sizes.boxes;
  for (const PartRow& part : writers) {
    if (part.chunks > chunks || part.boxes > boxes) throw corrupt("the chunk tables are shorter than their parts");
    chunks -= part.chunks;
    boxes -= part.boxes;
  }
  if (chunks > 0 || boxes > 0) throw corrupt("the chunk tables are longer than their parts");
}

PlacedDatasets parse_datasets(const Index& index, std::uint64_t most_bytes) {
  PlacedDatasets found;
  found.datasets.reserve(index.sizes.datasets);
  found.addresses.reserve(index.sizes.datasets);
  const std::byte* at = index.definitions.rows.data();
  for (std::uint64_t i = 0; i < index.sizes.datasets; ++i, at += index.sizes.dataset_row_bytes()) {
    DatasetRow row;
    std::memcpy(&row, at + index.sizes.name_bytes, sizeof row);
    found.datasets.push_back(
        parse_definition(reinterpret_cast<const char*>(at), index.sizes.name_bytes, row, index.definitions.shapes));
    found.addresses.push_back(std::uint64_t{row.address});  // not by reference: rows are packed
    check_size(found.datasets.back(), row.address, most_bytes);
  }
  return found;
}

void parse_segment(const Segment& segment, const RowPlace& place, std::span<const plan::Dataset> datasets,
                   const Interests& interests, std::vector<ChunkRecord>& wanted) {
  ChunkRecord chunk;
  for (std::size_t i = 0; i < segment.chunks.size(); ++i) {
    chunk.row = place.chunk + i;
    if (parse_chunk(segment.chunks[i], segment.boxes, place.box, datasets, interests, chunk)) wanted.push_back(chunk);
  }
}

std::vector<ChunkRecord> read_chunks(const Index& index, const ReadRows& read, std::span<const plan::Dataset> datasets,
                                     const Interests& interests) {
  std::vector<ChunkRecord> wanted;
  Segment segment;
  RowPlace place;
  for (const PartRow& part : std::span(index.parts).first(index.parts.size() - 1)) {
    segment.chunks.resize(part.chunks);
    segment.boxes.resize(part.boxes);
    read(place, segment);
    if (segment.part() != part)
      throw corrupt("a part of the chunk tables does not have the checksum that it was written with");
    parse_segment(segment, place, datasets, interests, wanted);
    place.chunk += part.chunks;
    place.box += part.boxes;
  }
  return wanted;
}

}  // namespace holdfast::storage
