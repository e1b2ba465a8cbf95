#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace holdfast::test {

/// A number of bytes that the kernel tells of this process's mapping in which `at` is (/proc/self/smaps, such as "Size"
/// or "ShmemPmdMapped"); -1 where nothing is mapped.
[[nodiscard]] std::int64_t mapped_bytes(const std::byte* at, const std::string& what);

/// Of helpers' arenas that this process has mapped, each counted once however often it is.
[[nodiscard]] std::uint64_t arena_bytes_mapped();

/// Why shared memory cannot be put on large pages here; empty: it can.
[[nodiscard]] std::string no_large_pages();

}  // namespace holdfast::test
