#include "support/mappings.hpp"

#include <sys/utsname.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

namespace holdfast::test {

std::int64_t mapped_bytes(const std::byte* at, const std::string& what) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(at);
  std::ifstream smaps("/proc/self/smaps");
  bool is_it = false;
  for (std::string line; std::getline(smaps, line);) {
    std::uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) is_it = wanted >= begin && wanted < end;
    if (is_it && line.starts_with(what + ":")) return std::stoll(line.substr(what.size() + 1)) * 1024;
  }
  return -1;
}

std::uint64_t arena_bytes_mapped() {
  std::ifstream maps("/proc/self/maps");
  std::map<std::string, std::uint64_t> arenas;
  for (std::string line; std::getline(maps, line);) {
    const std::size_t name = line.find("/dev/shm/holdfast_arena_");
    std::uint64_t begin = 0, end = 0;
    if (name != line.npos && std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2)
      arenas[line.substr(name)] = end - begin;
  }
  std::uint64_t sum = 0;
  for (const auto& [name, bytes] : arenas) sum += bytes;
  return sum;
}

std::string no_large_pages() {
  utsname kernel{};
  int major = 0, minor = 0;
  if (uname(&kernel) != 0 || std::sscanf(kernel.release, "%d.%d", &major, &minor) != 2)
    return "this kernel has no number";
  if (major < 6 || (major == 6 && minor < 1)) return std::string("no MADV_COLLAPSE in Linux ") + kernel.release;
  const std::filesystem::path settings = "/sys/kernel/mm/transparent_hugepage";
  if (!std::filesystem::exists(settings / "hpage_pmd_size")) return "this kernel has no large pages";
  std::string shared;
  std::getline(std::ifstream(settings / "shmem_enabled"), shared);
  return shared.find("[deny]") == shared.npos ? "" : "large pages are denied to shared memory";
}

}  // namespace holdfast::test
