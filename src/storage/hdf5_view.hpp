#pragma once

#include <cstdint>

#include "storage/hdf5_types.hpp"

namespace holdfast::storage {

/// How HDF5, and with it every other program, sees a file's datasets: to be held against our own table of them. Opening one takes
/// some 50 microseconds. One thread of the process at a time.
class Hdf5View {
 public:
  /// `file` is borrowed.
  Hdf5View(hid_t file, std::uint64_t file_bytes) : file_(file), file_bytes_(file_bytes) {}

  /// Where the dataset begins; 0 for one without bytes. Throws Error(corrupt), naming the tensor, unless it is there, in this
  /// file, contiguous, and of the type and shape that the table says.
  [[nodiscard]] std::uint64_t address_of(const plan::Dataset& dataset) const;

 private:
  [[nodiscard]] std::uint64_t look_up(const plan::Dataset& dataset) const;

  hid_t file_;
  std::uint64_t file_bytes_;
  hdf5::DatasetAccess access_;
  FileTypes types_;
};

/// Where a dataset of so many bytes begins. Throws Error(corrupt) unless it is of the kind that we write, which alone has an
/// address, and lies inside the file.
[[nodiscard]] std::uint64_t checked_address(const hdf5::Dataset& dataset, std::uint64_t bytes, std::uint64_t file_bytes);

}  // namespace holdfast::storage
