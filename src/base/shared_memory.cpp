#include "base/shared_memory.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "base/error_text.hpp"

namespace holdfast {
namespace {

/// Replaces MADV_POPULATE_WRITE before Linux 5.14. An atomic add of 0 dirties the page and does not lose a byte that
/// the other process writes at the same time.
void touch_pages(std::span<std::byte> memory, std::size_t page_bytes) {
  for (std::size_t at = 0; at < memory.size(); at += page_bytes)
    std::atomic_ref(reinterpret_cast<unsigned char&>(memory[at])).fetch_add(0, std::memory_order_relaxed);
}

}  // namespace

std::uint64_t free_shared_memory() {
  struct statvfs status {};
  if (statvfs(shared_memory_path, &status) != 0)
    throw Error(ErrorCode::out_of_memory, fmt::format("no shared memory: {}", errno_text(errno)),
                {.host = host_name(), .path = shared_memory_path});
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

void require_shared_memory(std::uint64_t bytes, std::string_view what) {
  const std::uint64_t available = free_shared_memory();
  if (available >= bytes) return;
  throw Error(ErrorCode::out_of_memory,
              fmt::format("{} needs {} bytes of shared memory, {} are available", what, bytes, available),
              {.host = host_name(), .path = shared_memory_path});
}

void require_addresses(std::uint64_t bytes, std::string_view what) {
  void* const addresses = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (addresses == MAP_FAILED)
    throw Error(
        ErrorCode::out_of_memory,
        fmt::format(
            "{} needs {} bytes to be mapped into this process: {} (is there a limit, such as that of ulimit -v?)", what,
            bytes, errno_text(errno)),
        {.host = host_name()});
  munmap(addresses, bytes);
}

void fault_in(std::span<std::byte> memory) {
  if (memory.empty()) return;
  const auto page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t before = reinterpret_cast<std::uintptr_t>(memory.data()) % page_bytes;
  if (madvise(memory.data() - before, memory.size() + before, MADV_POPULATE_WRITE) == 0) return;
  if (errno == EINVAL) return touch_pages(memory, page_bytes);
  throw Error(ErrorCode::out_of_memory,
              fmt::format("{} bytes could not be made present: {}", memory.size(), errno_text(errno)),
              {.host = host_name()});
}

}  // namespace holdfast
