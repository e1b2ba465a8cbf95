#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "storage/format/hdf5_types.hpp"
#include "storage/format/tables.hpp"
#include "storage/read/hdf5_view.hpp"
#include "storage/read/source_file.hpp"

namespace holdfast::storage {

/// Reads the tables of a checkpoint file that is open by HDF5: the datasets and parts at once, chunks and boxes when
/// they are asked for. HDF5 tells where they are, and decodes those that are encoded.
class IndexReader {
 public:
  /// All are borrowed.
  IndexReader(hid_t file, const SourceFile& source, FilterPlugins plugins);

  [[nodiscard]] const Index& index() const noexcept { return index_; }
  /// Fills `segment`, which has its final size, with the rows at `place`.
  void read(const RowPlace& place, Segment& segment) const;
  /// Whether read() needs the file that is open.
  [[nodiscard]] bool needs_hdf5() const noexcept { return !chunks_.address || !boxes_.address; }

 private:
  /// A table, and where its rows lie in the file; nothing if they are encoded.
  struct Table {
    std::string path;
    std::uint64_t rows = 0;
    std::optional<std::uint64_t> address;
  };

  template <class Row>
  [[nodiscard]] Table find(const char* path, hid_t row_type) const {
    return find(path, row_type, sizeof(Row));
  }
  [[nodiscard]] Table find(const char* path, hid_t row_type, std::uint64_t row_bytes) const;
  [[nodiscard]] Table find_datasets();
  void read_rows(const Table& table, std::uint64_t first, std::uint64_t count, std::span<std::byte> bytes) const;
  template <class Row>
  void read_rows(const Table& table, std::uint64_t first, std::span<Row> rows) const {
    read_rows(table, first, rows.size(), std::as_writable_bytes(rows));
  }

  hid_t file_;
  const SourceFile& source_;
  FilterPlugins plugins_;
  hdf5::DatasetAccess access_;
  Index index_;
  Table chunks_, boxes_;
};

}  // namespace holdfast::storage
