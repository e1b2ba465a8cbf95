#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

namespace holdfast::test {

/// Pids of the holdfast-helper processes on this node that have the same mpirun (or started-alone daemon) above them as
/// Lets helpers_of_this_job() find helpers that a rank starts by itself from now on.
void mark_helpers_of_this_job();

/// this process. Under srun, where they belong to another step, all of this node of the test cluster.
std::vector<int> helpers_of_this_job();

/// Has every thread been stopped? One of them takes the signal when it is scheduled; until then the others run on.
bool is_stopped(int pid);

/// User and system time of a process so far.
double cpu_seconds(int pid);
/// Its user time alone.
double user_seconds(int pid);

struct ProcessUse {
  std::uint64_t resident_bytes = 0;
  int descriptors = 0;
};
ProcessUse use_of(int pid);

/// A forked child that lives until this process ends, with copies of all that it has open. Returns its pid.
pid_t fork_one_that_stays();

/// Asks until `condition` holds or the time is over; says whether it held.
bool within(std::chrono::seconds time, const std::function<bool()>& condition);

}  // namespace holdfast::test
