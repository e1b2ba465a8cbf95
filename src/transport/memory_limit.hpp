#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

/// How much memory the control groups of this process leave it, which a batch system sets (docs/slurm.md). Whoever touches a page
/// of shared memory first is charged for it, and beyond the limit the kernel kills: no call of any kind, posix_fallocate and
/// madvise included, returns an error instead. So it has to be asked before.
namespace holdfast::transport {

struct MemoryLimit {
  std::uint64_t left_bytes = 0;  ///< limit less use; memory that the kernel can take back (file cache) is not counted as used
  std::uint64_t limit_bytes = 0;
  std::string group;  ///< the directory of the group that leaves least
};

/// Where the kernel shows it; a test gives another root.
struct ControlGroupFiles {
  std::filesystem::path mounts = "/proc/self/mounts";
  std::filesystem::path membership = "/proc/self/cgroup";
};

/// The tightest limit on the way from this process's group to the root, of version 1 or 2; none if there is none, or where
/// nothing can be read.
[[nodiscard]] std::optional<MemoryLimit> memory_limit(const ControlGroupFiles& files = {});

/// Throws Error(out_of_memory), with the numbers, the group and the host, if `bytes` for `what` do not fit.
void require_memory(std::uint64_t bytes, const std::string& what, const ControlGroupFiles& files = {});

}  // namespace holdfast::transport
