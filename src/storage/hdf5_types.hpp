#pragma once

#include <array>
#include <optional>
#include <string>

#include "plan/plan.hpp"
#include "storage/tables.hpp"
#include "wrap/hdf5.hpp"

namespace holdfast::storage {

/// The HDF5 type of each DType, in files and in memory alike, so that nothing is ever converted.
class FileTypes {
 public:
  FileTypes();
  [[nodiscard]] hid_t of(DType dtype) const { return types_.at(static_cast<std::size_t>(dtype)).get(); }
  /// The DType whose type equals `type`.
  [[nodiscard]] std::optional<DType> find(hid_t type) const;

 private:
  std::array<hdf5::Type, dtype_count> types_;
};

/// The types of the tables' rows.
[[nodiscard]] hdf5::Type dataset_row_type(const TableSizes& sizes);
[[nodiscard]] hdf5::Type chunk_row_type();
[[nodiscard]] hdf5::Type part_row_type();

/// "/state/<name>" or "/holdfast/per_rank/<name>".
[[nodiscard]] std::string path_of(const plan::Dataset& dataset);

}  // namespace holdfast::storage
