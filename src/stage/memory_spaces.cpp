#include "stage/memory_spaces.hpp"

#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "base/error_text.hpp"
#include "tensor/strided.hpp"

namespace holdfast::stage {
namespace {

/// Asks the kernel instead of reading: the program cannot read addresses of device memory, freed or not. Where the
/// kernel may not be asked, memory counts as readable.
bool readable(const std::byte* memory) {
  std::byte byte{};
  iovec to{&byte, 1}, from{const_cast<std::byte*>(memory), 1};
  return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1 || errno != EFAULT;
}

/// `last` is the allocation of the tensor before. Many tensors share one, and asking the driver takes time.
cuda::MemorySpace memory_space_of(const void* memory, cuda::Allocation& last) {
  if (!last.holds(memory)) last = cuda::allocation_of(memory);
  if (last.space.kind == cuda::MemoryKind::pageable && !readable(static_cast<const std::byte*>(memory)))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the memory at {} is neither this process's nor a device's; was it freed?", memory), {});
  return last.space;
}

}  // namespace

std::vector<cuda::MemorySpace> find_memory_spaces(const plan::LocalPlan& local) {
  std::vector<cuda::MemorySpace> spaces(local.items.size());
  if (!cuda::present()) return spaces;
  cuda::Allocation last;
  for (std::size_t i = 0; i < spaces.size(); ++i) {
    if (empty(local.items[i].box)) continue;
    try {
      spaces[i] = memory_space_of(local.memory[i].data, last);
    } catch (...) {
      throw current_error({.tensor = local.items[i].name});
    }
  }
  return spaces;
}

void check_stream(cuda::Stream stream) {
  if (stream == nullptr || cuda::present()) return;
  throw Error(ErrorCode::invalid_argument,
              cuda::built() ? "a CUDA stream was given, but this process uses no CUDA device"
                            : "a CUDA stream was given, but this Holdfast was built without CUDA",
              {.host = host_name()});
}

void await(const std::vector<cuda::MemorySpace>& spaces, cuda::Stream stream, Deadline deadline) {
  std::set<int> devices;
  for (const cuda::MemorySpace& space : spaces)
    if (space.device >= 0) devices.insert(space.device);
  for (const int number : devices) {
    const auto device = std::make_shared<const cuda::Device>(number);
    if (!cuda::Event(device, stream).wait(deadline))
      throw Error(ErrorCode::timeout, fmt::format("{}: the stream's work did not end in time", device->name()),
                  {.host = host_name()});
  }
}

}  // namespace holdfast::stage
