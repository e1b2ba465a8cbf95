#pragma once

#include <vector>

/// The end of a job that MPI would let live on without one of its ranks, and that would wait for it for ever.
namespace holdfast::helper {

/// Ends the processes (pidfds): SIGTERM, and SIGKILL for those that are there 5 s later. Returns when they have ended.
void end_processes(const std::vector<int>& processes) noexcept;

/// Where mpirun has started this process, and was told to let the job live on, it returns 0 whatever has become of the ranks;
/// told to end by SIGTERM, it does not. It then ends what is left of the job.
void end_mpirun() noexcept;

}  // namespace holdfast::helper
