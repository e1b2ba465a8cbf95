#include "storage/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <tuple>

#include "base/checksum.hpp"

namespace holdfast::storage {
namespace {

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

}  // namespace

TableSizes sizes_of(std::span<const plan::Dataset> datasets) {
  TableSizes sizes{.datasets = datasets.size()};
  for (const plan::Dataset& dataset : datasets)
    sizes.name_bytes = std::max<std::uint64_t>(sizes.name_bytes, dataset.name.size() + 1);
  return sizes;
}

std::uint64_t Tables::checksum() const {
  Checksum sum;
  sum.update(datasets);
  sum.update(std::as_bytes(std::span(chunks)));
  sum.update(std::as_bytes(std::span(boxes)));
  return sum.value();
}

Tables make_tables(std::span<const plan::Dataset> datasets, std::vector<ChunkRecord> chunks) {
  Tables tables{.sizes = sizes_of(datasets), .datasets = {}, .chunks = {}, .boxes = {}};
  tables.datasets.resize(datasets.size() * tables.sizes.dataset_row_bytes());
  std::byte* row = tables.datasets.data();
  for (const plan::Dataset& dataset : datasets) {
    std::memcpy(row, dataset.name.data(), dataset.name.size());
    row[tables.sizes.name_bytes] = static_cast<std::byte>(dataset.kind);
    row += tables.sizes.dataset_row_bytes();
  }
  std::ranges::sort(chunks, {}, [](const ChunkRecord& c) { return std::tie(c.dataset, c.box, c.rank); });
  for (const ChunkRecord& chunk : chunks) {
    tables.chunks.push_back({chunk.dataset, chunk.rank, tables.boxes.size(), chunk.checksum});
    tables.boxes.insert(tables.boxes.end(), chunk.box.offset.begin(), chunk.box.offset.end());
    tables.boxes.insert(tables.boxes.end(), chunk.box.extent.begin(), chunk.box.extent.end());
  }
  tables.sizes.chunks = tables.chunks.size();
  tables.sizes.boxes = tables.boxes.size();
  return tables;
}

std::vector<plan::Dataset> parse_datasets(const Tables& tables) {
  std::vector<plan::Dataset> datasets(tables.sizes.datasets);
  const std::byte* row = tables.datasets.data();
  for (plan::Dataset& dataset : datasets) {
    const char* name = reinterpret_cast<const char*>(row);
    dataset.name.assign(name, strnlen(name, tables.sizes.name_bytes));
    dataset.kind = static_cast<plan::Kind>(row[tables.sizes.name_bytes]);
    if (dataset.kind >= plan::Kind::group) throw Error(ErrorCode::corrupt, "a row of the datasets table has a bad kind");
    row += tables.sizes.dataset_row_bytes();
  }
  return datasets;
}

std::vector<ChunkRecord> parse_chunks(const Tables& tables, std::span<const plan::Dataset> datasets) {
  std::vector<ChunkRecord> chunks;
  chunks.reserve(tables.chunks.size());
  for (const ChunkRow& row : tables.chunks) chunks.push_back(parse_chunk(row, tables.boxes, datasets));
  return chunks;
}

}  // namespace holdfast::storage
