#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace holdfast {

inline constexpr const char* shared_memory_path = "/dev/shm";

/// Free bytes of the node's shared memory. Throws Error(out_of_memory) if there is none.
[[nodiscard]] std::uint64_t free_shared_memory();

/// Throws Error(out_of_memory), with both numbers and the host, if fewer than `bytes` for `what` are free: mapped
/// memory without free space behind it raises SIGBUS at its first use.
void require_shared_memory(std::uint64_t bytes, std::string_view what);

/// Throws Error(out_of_memory), with the number and the host, if `bytes` for `what` cannot be mapped (`ulimit -v`): UCX
/// crashes if it cannot map a peer's memory. Tries it with a mapping that it removes at once.
void require_addresses(std::uint64_t bytes, std::string_view what);

/// Makes the pages of a shared mapping present, so that the first copy into it runs at full speed. Keeps the content.
/// Throws Error(out_of_memory) if the system refuses.
void fault_in(std::span<std::byte> memory);

}  // namespace holdfast
