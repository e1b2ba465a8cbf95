#pragma once

#include <holdfast/export.hpp>

/// The library's version; CMakeLists.txt reads it from here.
#define HOLDFAST_VERSION_MAJOR 0
#define HOLDFAST_VERSION_MINOR 1
#define HOLDFAST_VERSION_PATCH 0

namespace holdfast {

/// "major.minor.patch" of the library that is linked, as opposed to the headers that were compiled.
[[nodiscard]] HOLDFAST_API const char* version() noexcept;

}  // namespace holdfast
