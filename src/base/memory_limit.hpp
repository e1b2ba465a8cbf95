#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

/// The memory that the control groups of this process leave it; a batch system sets their limits (docs/slurm.md). The
/// process that first touches a page of shared memory is charged for it. Beyond the limit the kernel kills the process:
/// no call, not even posix_fallocate or madvise, returns an error instead. So the limit has to be checked before memory
/// is used.
namespace holdfast {

struct MemoryLimit {
  std::uint64_t left_bytes = 0;  ///< limit minus use; reclaimable memory (file cache) does not count as used
  std::uint64_t limit_bytes = 0;
  std::string group;  ///< directory of the control group with this limit
};

/// The files in which the kernel lists control groups; tests give others.
struct ControlGroupFiles {
  std::filesystem::path mounts = "/proc/self/mounts";
  std::filesystem::path membership = "/proc/self/cgroup";
};

/// The limit that leaves least, of all control groups (versions 1 and 2) from this process's up to the root. None if
/// there is no limit, or if it cannot be read.
[[nodiscard]] std::optional<MemoryLimit> memory_limit(const ControlGroupFiles& files = {});

/// Throws Error(out_of_memory), with the numbers, the group and the host, if `bytes` for `what` exceed the limit.
void require_memory(std::uint64_t bytes, const std::string& what, const ControlGroupFiles& files = {});

}  // namespace holdfast
