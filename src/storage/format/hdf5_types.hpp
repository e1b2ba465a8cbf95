#pragma once

#include <array>
#include <optional>
#include <string>

#include "plan/plan.hpp"
#include "storage/format/tables.hpp"
#include "wrap/hdf5.hpp"

namespace holdfast::storage {

/// The HDF5 type of each DType, the same in files and in memory, so that HDF5 never converts.
class FileTypes {
 public:
  FileTypes();
  [[nodiscard]] hid_t of(DType dtype) const { return types_.at(static_cast<std::size_t>(dtype)).get(); }
  /// The DType whose type equals `type`; empty if there is none.
  [[nodiscard]] std::optional<DType> find(hid_t type) const;

 private:
  std::array<hdf5::TypeId, dtype_count> types_;
};

/// HDF5 types of the rows of the tables.
[[nodiscard]] hdf5::TypeId dataset_row_type(const TableSizes& sizes);
[[nodiscard]] hdf5::TypeId chunk_row_type();
[[nodiscard]] hdf5::TypeId part_row_type();

/// "/state/<name>" or "/holdfast/per_rank/<name>".
[[nodiscard]] std::string path_of(const plan::Dataset& dataset);

}  // namespace holdfast::storage
