#include "storage/read/index_reader.hpp"

#include <fmt/format.h>

#include "base/error_text.hpp"
#include "storage/format/format.hpp"
#include "wrap/positioned_io.hpp"

namespace holdfast::storage {
namespace {

template <class... Args>
Error corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::corrupt, fmt::format(format, std::forward<Args>(args)...)};
}

}  // namespace

IndexReader::IndexReader(hid_t file, const SourceFile& source, FilterPlugins plugins)
    : file_(file), source_(source), plugins_(plugins) {
  const Table datasets = find_datasets();
  const Table shapes = find<std::uint64_t>(format::shapes_table, H5T_STD_U64LE);
  const Table parts = find<PartRow>(format::parts_table, part_row_type().get());
  chunks_ = find<ChunkRow>(format::chunks_table, chunk_row_type().get());
  boxes_ = find<std::uint64_t>(format::boxes_table, H5T_STD_U64LE);
  index_.sizes.datasets = datasets.rows;
  index_.sizes.chunks = chunks_.rows;
  index_.sizes.boxes = boxes_.rows;
  index_.definitions.rows.resize(datasets.rows * index_.sizes.dataset_row_bytes());
  read_rows(datasets, 0, datasets.rows, std::as_writable_bytes(std::span(index_.definitions.rows)));
  index_.definitions.shapes.resize(shapes.rows);
  read_rows(shapes, 0, std::span(index_.definitions.shapes));
  index_.parts.resize(parts.rows);
  read_rows(parts, 0, std::span(index_.parts));
  check_index(index_);
}

void IndexReader::read(const RowPlace& place, Segment& segment) const {
  read_rows(chunks_, place.chunk, std::span(segment.chunks));
  read_rows(boxes_, place.box, std::span(segment.boxes));
}

/// A row's size says how long names may be.
IndexReader::Table IndexReader::find_datasets() {
  const std::uint64_t row_bytes = hdf5::size_of(hdf5::type_of(access_.open(file_, format::datasets_table)));
  if (row_bytes <= sizeof(DatasetRow)) throw corrupt("{} has unexpected columns", format::datasets_table);
  index_.sizes.name_bytes = row_bytes - sizeof(DatasetRow);
  return find(format::datasets_table, dataset_row_type({.name_bytes = index_.sizes.name_bytes}).get(), row_bytes);
}

IndexReader::Table IndexReader::find(const char* path, hid_t row_type, std::uint64_t row_bytes) const {
  const hdf5::DatasetId dataset = access_.open(file_, path);
  const Shape shape = hdf5::shape_of(dataset);
  if (shape.size() != 1) throw corrupt("{} is not a table", path);
  if (!hdf5::equal(hdf5::type_of(dataset).get(), row_type)) throw corrupt("{} has unexpected columns", path);
  const auto rows = checked_volume(shape, row_bytes);
  if (!rows) throw corrupt("{} has an impossible size", path);
  Table table{path, *rows, checked_address(dataset, *rows * row_bytes, source_.bytes())};
  if (!table.address) check_filters(dataset, path, plugins_);
  return table;
}

void IndexReader::read_rows(const Table& table, std::uint64_t first, std::uint64_t count,
                            std::span<std::byte> bytes) const {
  if (count == 0) return;
  if (!table.address) {
    const hdf5::DatasetId dataset = access_.open(file_, table.path);
    return hdf5::read(dataset, hdf5::type_of(dataset).get(), hdf5::select_box(dataset, {first}, {count}), bytes.data());
  }
  const std::uint64_t offset = *table.address + first * (bytes.size() / count);
  const ssize_t got = read_available(source_.fd(), bytes.data(), bytes.size(), offset);
  if (got < 0)
    throw Error(ErrorCode::storage, fmt::format("reading the tables at offset {}: {}", offset, errno_text(errno)));
  if (static_cast<std::size_t>(got) != bytes.size()) throw corrupt("the file ends in its tables");
}

}  // namespace holdfast::storage
