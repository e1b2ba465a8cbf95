#pragma once

#include <cstdint>
#include <vector>

/// The processes of this job on this node, as /proc shows them to a rank of mpirun.
namespace holdfast::benchmarks {

/// Children of the mpirun that started this rank: ranks and helpers.
[[nodiscard]] std::vector<int> job_processes();
/// Those that are helpers.
[[nodiscard]] std::vector<int> job_helpers();
/// The cores that a process may use.
[[nodiscard]] int cores_of(int pid);
/// User and system time of all its threads so far, in nanoseconds' resolution.
[[nodiscard]] double cpu_s(int pid);
/// Their memory, and all shared memory of the node: by process, a page that gets its second owner between two looks
/// counts twice. So nothing else uses shared memory meanwhile, and checkpoints are on a disk. 0 where the kernel does
/// not tell.
[[nodiscard]] std::uint64_t memory_bytes(const std::vector<int>& pids);

/// Memory of this node that programs can still have.
[[nodiscard]] std::uint64_t available_bytes();

}  // namespace holdfast::benchmarks
