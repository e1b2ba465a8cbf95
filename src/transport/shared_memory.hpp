#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace holdfast::transport {

inline constexpr const char* shared_memory_path = "/dev/shm";

/// Free bytes of the node's shared memory, /dev/shm.
[[nodiscard]] std::uint64_t free_shared_memory();

/// Throws Error(out_of_memory), with both numbers and the host, if `bytes` for `what` are not there: memory that is mapped
/// beyond what there is would be a SIGBUS at its first use.
void require_shared_memory(std::uint64_t bytes, std::string_view what);

/// Throws Error(out_of_memory), with the number and the host, if `bytes` for `what` cannot be mapped (`ulimit -v`): UCX crashes where
/// it cannot map a peer's memory. It asks the system, and gives back what it got.
void require_addresses(std::uint64_t bytes, std::string_view what);

/// Makes the pages of a mapping present, so that the first copy into it runs at full speed. Its content stays.
void fault_in(std::span<std::byte> memory);

}  // namespace holdfast::transport
