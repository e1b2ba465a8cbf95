#pragma once

#include <filesystem>

#include "base/error_text.hpp"
#include "wrap/hdf5.hpp"

namespace holdfast::storage {

/// Runs `function` and adds the path to its errors. A failure of HDF5 means a corrupt file, unless it has an errno.
template <class Function>
auto guarded(const std::filesystem::path& path, Function&& function) {
  const hdf5::Quiet quiet;
  const ErrorContext context{.host = host_name(), .path = path.string()};
  try {
    return function();
  } catch (const hdf5::Failure& failure) {
    throw Error(failure.error_number() == 0 ? ErrorCode::corrupt : ErrorCode::storage, failure.message(), context);
  } catch (...) {
    throw current_error(context);
  }
}

}  // namespace holdfast::storage
