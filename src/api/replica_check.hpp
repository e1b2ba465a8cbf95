#pragma once

#include <vector>

#include "base/clock.hpp"
#include "plan/local.hpp"
#include "wrap/cuda.hpp"
#include "wrap/mpi_grid.hpp"

namespace holdfast::api {

/// Collective. Compares what ranks hold alike, the same box of the same tensor, by the checksums of its packed bytes, and reads each
/// replica once for it, behind the work that `stream` has now. Throws the same Error(plan_conflict) on all ranks where two differ:
/// it names them and the first such tensor by name.
void require_equal_replicas(const mpi::Grid& grid, const plan::LocalPlan& local, const std::vector<cuda::Place>& places,
                            cuda::Stream stream, Deadline deadline);

}  // namespace holdfast::api
