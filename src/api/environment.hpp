#pragma once

#include <holdfast/options.hpp>

namespace holdfast::api {

/// `options` with what the environment says where they leave it open: HOLDFAST_LAUNCHER, HOLDFAST_ENGINE,
/// HOLDFAST_CHECK_REPLICAS, HOLDFAST_MPI_IO, HOLDFAST_MPI_IO_HINTS. Throws Error(invalid_argument) for a value that makes no sense.
[[nodiscard]] Options with_environment(Options options);

/// Copies as HOLDFAST_COPY says, in this process from now on, if it is set. Throws Error(invalid_argument) if it names no way
/// that this processor has.
void copy_as_environment_says();

}  // namespace holdfast::api
