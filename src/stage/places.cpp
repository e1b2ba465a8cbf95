#include "stage/places.hpp"

#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "base/error_text.hpp"
#include "tensor/strided.hpp"

namespace holdfast::stage {
namespace {

/// Asks the kernel instead of trying: CUDA keeps addresses of device memory, freed or not, out of the program's reach. Where
/// it may not be asked the memory is taken to be there.
bool readable(const std::byte* memory) {
  std::byte byte{};
  iovec to{&byte, 1}, from{const_cast<std::byte*>(memory), 1};
  return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1 || errno != EFAULT;
}

/// `last` is the allocation that the tensor before lay in: many share one, and asking the driver is what takes time.
cuda::Place place_of(const void* memory, cuda::Allocation& last) {
  if (!last.holds(memory)) last = cuda::allocation_of(memory);
  if (last.place.kind == cuda::Kind::pageable && !readable(static_cast<const std::byte*>(memory)))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the memory at {} is neither this process's nor a device's; was it freed?", memory), {});
  return last.place;
}

}  // namespace

std::vector<cuda::Place> find_places(const plan::LocalPlan& local) {
  std::vector<cuda::Place> places(local.items.size());
  if (!cuda::present()) return places;
  cuda::Allocation last;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (empty(local.items[i].box)) continue;
    try {
      places[i] = place_of(local.memory[i].data, last);
    } catch (...) {
      throw current_error({.tensor = local.items[i].name});
    }
  }
  return places;
}

void check_stream(cuda::Stream stream) {
  if (stream == nullptr || cuda::present()) return;
  throw Error(ErrorCode::invalid_argument,
              cuda::built() ? "a CUDA stream was given, but this process uses no CUDA device"
                            : "a CUDA stream was given, but this Holdfast was built without CUDA",
              {.host = host_name()});
}

void await(const std::vector<cuda::Place>& places, cuda::Stream stream, Deadline deadline) {
  std::set<int> devices;
  for (const cuda::Place& place : places)
    if (place.device >= 0) devices.insert(place.device);
  for (const int number : devices) {
    const auto device = std::make_shared<const cuda::Device>(number);
    if (!cuda::Event(device, stream).wait(deadline))
      throw Error(ErrorCode::timeout, fmt::format("{}: the stream's work did not end in time", device->name()),
                  {.host = host_name()});
  }
}

}  // namespace holdfast::stage
