#pragma once

#include <cstdint>
#include <optional>

#include "storage/format/hdf5_types.hpp"

namespace holdfast::storage {

/// Whether HDF5 may load filters from outside, which is code that runs.
enum class FilterPlugins : bool { refuse, load };

/// Throws Error(unsupported_version), naming the tensor, unless all filters of the dataset are built into HDF5, or
/// others may be loaded.
void check_filters(const hdf5::DatasetId& dataset, const std::string& name, FilterPlugins plugins);

/// A file's datasets as HDF5, and so any other program, sees them, to compare with our table. Opening a dataset takes
/// some 50 microseconds. One thread of the process at a time.
class Hdf5View {
 public:
  /// `file` is borrowed.
  Hdf5View(hid_t file, std::uint64_t file_bytes, FilterPlugins plugins)
      : file_(file), file_bytes_(file_bytes), plugins_(plugins) {}

  /// File offset of the dataset, 0 for a dataset without bytes; nothing where it is encoded. Throws Error(corrupt),
  /// naming the tensor, unless the dataset is there, in this file, and of the type and shape in the table; and as
  /// check_filters() does.
  [[nodiscard]] std::optional<std::uint64_t> address_of(const plan::Dataset& dataset) const;

 private:
  [[nodiscard]] std::optional<std::uint64_t> look_up(const plan::Dataset& dataset) const;

  hid_t file_;
  std::uint64_t file_bytes_;
  FilterPlugins plugins_;
  hdf5::DatasetAccess access_;
  FileTypes types_;
};

/// The most by which what is stored may be larger than its file: deflate's most is 1,032.
constexpr std::uint64_t most_expansion = 1100;

/// File offset of a dataset of `bytes` bytes, stored as we write it, contiguously; nothing where it is encoded, as
/// h5repack does. Throws Error(corrupt) unless it lies inside the file, or could.
[[nodiscard]] std::optional<std::uint64_t> checked_address(const hdf5::DatasetId& dataset, std::uint64_t bytes,
                                                           std::uint64_t file_bytes);

}  // namespace holdfast::storage
