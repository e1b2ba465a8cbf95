#pragma once

#include <vector>

#include "base/clock.hpp"
#include "plan/local.hpp"
#include "wrap/cuda.hpp"
#include "wrap/mpi_grid.hpp"

namespace holdfast::save {

/// Collective. Compares replicas (the same box of the same tensor on several ranks) by checksums of their packed bytes.
/// Reads each replica once, after the work that `stream` has now. Throws the same Error(plan_conflict) on all ranks if
/// two replicas differ; it names two ranks, and the first such tensor by name.
void require_equal_replicas(const mpi::Grid& grid, const plan::LocalPlan& local,
                            const std::vector<cuda::MemorySpace>& spaces, cuda::Stream stream, Deadline deadline);

}  // namespace holdfast::save
