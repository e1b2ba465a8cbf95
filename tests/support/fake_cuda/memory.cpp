#include "memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

namespace fake_cuda {
namespace {

/// The same pages twice: at one address for the fake, at another for the program, which may not touch them there.
Range map_twice(std::size_t bytes, bool reachable, std::byte*& address) {
  const int pages = memfd_create("fake_cuda", 0);
  if (pages < 0 || ftruncate(pages, static_cast<off_t>(bytes)) != 0) return {};
  void* const alias = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, pages, 0);
  address = static_cast<std::byte*>(
      mmap(nullptr, bytes, reachable ? PROT_READ | PROT_WRITE : PROT_NONE, MAP_SHARED, pages, 0));
  close(pages);
  return {.begin = address, .bytes = bytes, .alias = static_cast<std::byte*>(alias)};
}

}  // namespace

std::byte* Memory::allocate(std::size_t bytes, CUmemorytype type, bool managed, int device) {
  std::byte* address = nullptr;
  Range range = map_twice(bytes, managed || type == CU_MEMORYTYPE_HOST, address);
  range.type = type;
  range.managed = managed;
  range.device = device;
  ranges_.emplace(address, range);
  return address;
}

CUresult Memory::add(std::byte* memory, std::size_t bytes, int device) {
  if (find(memory, 1) != nullptr) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  ranges_.emplace(memory, Range{memory, bytes, CU_MEMORYTYPE_HOST, false, true, device, memory});
  return CUDA_SUCCESS;
}

CUresult Memory::give_back(const void* memory) {
  const auto found = ranges_.find(static_cast<const std::byte*>(memory));
  if (found == ranges_.end()) return CUDA_ERROR_INVALID_VALUE;
  const Range range = found->second;
  ranges_.erase(found);
  if (range.registered) return CUDA_SUCCESS;
  munmap(range.alias, range.bytes);
  mprotect(const_cast<void*>(memory), range.bytes, PROT_NONE);
  return CUDA_SUCCESS;
}

const Range* Memory::find(const void* memory, std::size_t bytes) const {
  const auto* const first = static_cast<const std::byte*>(memory);
  auto next = ranges_.upper_bound(first);
  if (next == ranges_.begin()) return nullptr;
  const auto& [start, range] = *--next;
  return first + bytes <= start + range.bytes ? &range : nullptr;
}

std::byte* Memory::reach(const void* memory, std::size_t bytes) const {
  const Range* const range = find(memory, bytes);
  if (range == nullptr) return nullptr;
  return range->alias + (static_cast<const std::byte*>(memory) - range->begin);
}

}  // namespace fake_cuda
