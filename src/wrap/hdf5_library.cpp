#include "wrap/hdf5_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <hdf5.h>
#include <link.h>

#include <holdfast/error.hpp>
#include <string>
#include <vector>

#include "base/error_text.hpp"

namespace holdfast::hdf5 {
namespace {

/// A loaded program or library.
struct Object {
  const void* base = nullptr;
  std::string path;
};

Object object_of(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) == 0) return {};
  return {info.dli_fbase, info.dli_fname};
}

std::vector<std::string> loaded_libraries() {
  std::vector<std::string> paths;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* all) {
        static_cast<std::vector<std::string>*>(all)->emplace_back(info->dlpi_name);
        return 0;
      },
      &paths);
  return paths;
}

/// Whether this library itself, not one that it depends on, is a parallel HDF5.
bool is_parallel_hdf5(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return false;
  const void* function = dlsym(handle, "H5Pget_mpio_no_collective_cause");
  dlclose(handle);
  return function != nullptr && object_of(function).path == path;
}

/// The parallel HDF5 whose calls were taken over.
std::string path_of_other_than(const std::string& called) {
  for (const std::string& path : loaded_libraries())
    if (path != called && is_parallel_hdf5(path)) return path;
  return "not loaded";
}

/// Describes the conflict; empty if the calls reach the HDF5 that they were compiled for. Both functions are defined
/// only by HDF5 itself, not by tools that intercept its calls.
std::string find_conflict() {
  const Object called = object_of(reinterpret_cast<const void*>(&H5get_libversion));
  const Object parallel = object_of(reinterpret_cast<const void*>(&H5Pget_mpio_no_collective_cause));
  unsigned major = 0, minor = 0, release = 0;
  if (H5get_libversion(&major, &minor, &release) < 0) return "HDF5 does not tell its version";
  if (major == H5_VERS_MAJOR && minor == H5_VERS_MINOR && called.base == parallel.base) return "";
  return fmt::format(
      "Holdfast was built for HDF5 {}.{} with MPI ({}), but another HDF5 of this program, {}.{}.{} ({}), which has no "
      "symbol versions, "
      "takes over its calls; build Holdfast with that one if it has MPI, or give that one symbol versions, or load it "
      "by dlopen with "
      "RTLD_LOCAL",
      H5_VERS_MAJOR, H5_VERS_MINOR, path_of_other_than(called.path), major, minor, release, called.path);
}

}  // namespace

void require_own_library() {
  static const std::string conflict = find_conflict();
  if (!conflict.empty()) throw Error(ErrorCode::invalid_state, conflict, {.host = host_name()});
}

}  // namespace holdfast::hdf5
