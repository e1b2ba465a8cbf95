#pragma once

#include <cstdint>

#include "storage/format/hdf5_types.hpp"

namespace holdfast::storage {

/// A file's datasets as HDF5, and so any other program, sees them, to compare with our table. Opening a dataset takes
/// some 50 microseconds. One thread of the process at a time.
class Hdf5View {
 public:
  /// `file` is borrowed.
  Hdf5View(hid_t file, std::uint64_t file_bytes) : file_(file), file_bytes_(file_bytes) {}

  /// File offset of the dataset; 0 for a dataset without bytes. Throws Error(corrupt), naming the tensor, unless the
  /// dataset is there, in this file, contiguous, and of the type and shape in the table.
  [[nodiscard]] std::uint64_t address_of(const plan::Dataset& dataset) const;

 private:
  [[nodiscard]] std::uint64_t look_up(const plan::Dataset& dataset) const;

  hid_t file_;
  std::uint64_t file_bytes_;
  hdf5::DatasetAccess access_;
  FileTypes types_;
};

/// File offset of a dataset of `bytes` bytes. Throws Error(corrupt) unless the dataset is stored as we write it,
/// contiguously, and lies inside the file.
[[nodiscard]] std::uint64_t checked_address(const hdf5::DatasetId& dataset, std::uint64_t bytes,
                                            std::uint64_t file_bytes);

}  // namespace holdfast::storage
