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

/// HDF5's own filters: deflate, shuffle, fletcher32, szip, nbit, scaleoffset.
constexpr int last_own_filter = 6;

}  // namespace

void check_filters(const hdf5::DatasetId& dataset, const std::string& name, FilterPlugins plugins) {
  if (plugins == FilterPlugins::load) return;
  for (const auto& [number, text] : hdf5::filters_of(dataset))
    if (number > last_own_filter)
      throw Error(ErrorCode::unsupported_version,
                  fmt::format("it went through filter {} ({}), for which HDF5 would load a plugin, which is code; "
                              "LoadOptions::filter_plugins allows that",
                              number, text),
                  {.tensor = name});
}

/// Only a contiguous dataset has an address. The layout is asked for without one, as asking takes longer than all the
/// rest.
std::optional<std::uint64_t> checked_address(const hdf5::DatasetId& dataset, std::uint64_t bytes,
                                             std::uint64_t file_bytes) {
  const std::optional<std::uint64_t> address = hdf5::address_of(dataset);
  if (!address && hdf5::is_encoded(dataset)) {
    if (bytes / most_expansion > file_bytes) throw corrupt("a dataset of {} bytes cannot be in its file", bytes);
    return std::nullopt;
  }
  if (!address && !hdf5::is_plain(dataset)) throw corrupt("a dataset is not stored in this file");
  if (bytes > 0 && !address) throw corrupt("a dataset of {} bytes has no place in the file", bytes);
  if (bytes > file_bytes || address.value_or(0) > file_bytes - bytes)
    throw corrupt("a dataset of {} bytes is larger than its file", bytes);
  return address.value_or(0);
}

std::optional<std::uint64_t> Hdf5View::address_of(const plan::Dataset& dataset) const {
  const ErrorContext context{.tensor = dataset.name};
  try {
    return look_up(dataset);
  } catch (const hdf5::Failure& failure) {
    throw Error(failure.error_number() == 0 ? ErrorCode::corrupt : ErrorCode::storage, failure.message(), context);
  } catch (...) {
    throw current_error(context);
  }
}

std::optional<std::uint64_t> Hdf5View::look_up(const plan::Dataset& dataset) const {
  const hdf5::DatasetId handle = access_.open(file_, path_of(dataset));
  const hdf5::TypeId type = hdf5::type_of(handle);
  const bool is_string = dataset.kind == plan::DatasetKind::string;
  const bool has_type = is_string ? hdf5::string_bytes(type.get()) == dataset.global.at(0) + 1
                                  : hdf5::equal(types_.of(dataset.dtype), type.get());
  if (!has_type) throw corrupt("HDF5 sees another type than the datasets table has");
  if (hdf5::shape_of(handle) != (is_string ? Shape{} : dataset.global))
    throw corrupt("HDF5 sees another shape than the datasets table has");
  const auto address = checked_address(handle, volume(dataset.global) * element_bytes(dataset), file_bytes_);
  if (!address) check_filters(handle, dataset.name, plugins_);
  if (!address && is_string) throw corrupt("a string that is encoded cannot be read");
  return address;
}

}  // namespace holdfast::storage
