#pragma once

#include <holdfast/options.hpp>

namespace holdfast::api {

/// `options` with what the environment says where they leave it open: HOLDFAST_LAUNCHER, HOLDFAST_ENGINE,
/// HOLDFAST_CHECK_REPLICAS, HOLDFAST_MPI_IO, HOLDFAST_MPI_IO_HINTS. Throws Error(invalid_argument) for a value that makes no sense.
[[nodiscard]] Options with_environment(Options options);

}  // namespace holdfast::api
