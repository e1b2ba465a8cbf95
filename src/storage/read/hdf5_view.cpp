#include "storage/read/hdf5_view.hpp"

#include <fmt/format.h>

#include "base/error_text.hpp"
#include "storage/format/extents.hpp"

namespace holdfast::storage {
namespace {

template <class... Args>
Error corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::corrupt, fmt::format(format, std::forward<Args>(args)...)};
}

}  // namespace

/// Only a contiguous dataset has an address. The layout is asked for without one, as asking takes longer than all the
/// rest.
std::uint64_t checked_address(const hdf5::DatasetId& dataset, std::uint64_t bytes, std::uint64_t file_bytes) {
  const std::optional<std::uint64_t> address = hdf5::address_of(dataset);
  if (!address && !hdf5::is_plain(dataset)) throw corrupt("a dataset is not stored contiguously in this file");
  if (bytes > 0 && !address) throw corrupt("a dataset of {} bytes has no place in the file", bytes);
  if (bytes > file_bytes || address.value_or(0) > file_bytes - bytes)
    throw corrupt("a dataset of {} bytes is larger than its file", bytes);
  return address.value_or(0);
}

std::uint64_t Hdf5View::address_of(const plan::Dataset& dataset) const {
  const ErrorContext context{.tensor = dataset.name};
  try {
    return look_up(dataset);
  } catch (const hdf5::Failure& failure) {
    throw Error(failure.error_number() == 0 ? ErrorCode::corrupt : ErrorCode::storage, failure.message(), context);
  } catch (...) {
    throw current_error(context);
  }
}

std::uint64_t Hdf5View::look_up(const plan::Dataset& dataset) const {
  const hdf5::DatasetId handle = access_.open(file_, path_of(dataset));
  const hdf5::TypeId type = hdf5::type_of(handle);
  const bool is_string = dataset.kind == plan::DatasetKind::string;
  const bool has_type = is_string ? hdf5::string_bytes(type.get()) == dataset.global.at(0) + 1
                                  : hdf5::equal(types_.of(dataset.dtype), type.get());
  if (!has_type) throw corrupt("HDF5 sees another type than the datasets table has");
  if (hdf5::shape_of(handle) != (is_string ? Shape{} : dataset.global))
    throw corrupt("HDF5 sees another shape than the datasets table has");
  return checked_address(handle, volume(dataset.global) * element_bytes(dataset), file_bytes_);
}

}  // namespace holdfast::storage
