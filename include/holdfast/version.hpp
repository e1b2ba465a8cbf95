#pragma once

#include <holdfast/export.hpp>

/// The library's version; CMakeLists.txt reads it from here.
#define HOLDFAST_VERSION_MAJOR 0
#define HOLDFAST_VERSION_MINOR 1
#define HOLDFAST_VERSION_PATCH 0

namespace holdfast {

/// Returns "major.minor.patch" of the linked library, which may differ from that of the headers.
[[nodiscard]] HOLDFAST_API const char* version() noexcept;

}  // namespace holdfast
