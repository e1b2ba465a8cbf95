#pragma once

#include <holdfast/options.hpp>

namespace holdfast::api {

/// Pure. Throws Error(invalid_argument) for what an option cannot be.
void check(const Options& options);
void check(const SaveOptions& options);
void check(const LoadOptions& options);

}  // namespace holdfast::api
