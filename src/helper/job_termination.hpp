#pragma once

#include <vector>

/// Ends a job that MPI lets live on without one of its ranks: the others would wait for that rank for ever.
namespace holdfast::helper {

/// Ends the processes (pidfds) by SIGTERM, and those that live 5 s later by SIGKILL. Returns when they have ended,
/// after 10 s at most.
void end_processes(const std::vector<int>& processes) noexcept;

/// Sends SIGTERM to the mpirun that started this process, if it lets the job outlive a process. Such an mpirun returns
/// 0 whatever has become of the ranks, unless SIGTERM ends it; it then ends what is left of the job.
void end_mpirun() noexcept;

}  // namespace holdfast::helper
