#include <stdexcept>

#include "fake_cuda.h"
#include "support/gpu.hpp"

namespace holdfast::test {
namespace {

void check(CUresult result) {
  if (result != CUDA_SUCCESS) throw std::runtime_error("the stand-in for CUDA said " + std::to_string(result));
}

/// As the runtime does: a primary context is current.
class OnDevice {
 public:
  explicit OnDevice(int device) {
    CUcontext context = nullptr;
    check(cuDevicePrimaryCtxRetain(&context, device));
    check(cuCtxPushCurrent(context));
  }
  ~OnDevice() {
    CUcontext context = nullptr;
    cuCtxPopCurrent(&context);
  }
};

CUdeviceptr address(const std::byte* memory) {
  return reinterpret_cast<CUdeviceptr>(memory);
}

/// By a stream of its own, so that it is done at once.
void copy_now(const std::byte* from, std::byte* to, std::size_t bytes) {
  CUstream stream = nullptr;
  check(cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, 0));
  check(cuMemcpyAsync(address(to), address(from), bytes, stream));
  check(cuStreamDestroy(stream));
}

}  // namespace

int gpus() {
  int count = 0;
  check(cuDeviceGetCount(&count));
  return count;
}

GpuMemory::GpuMemory(std::size_t bytes, GpuKind kind, int device) : bytes_(bytes), kind_(kind), device_(device) {
  const OnDevice on(device);
  CUdeviceptr memory = 0;
  void* pinned = nullptr;
  if (kind == GpuKind::pinned) check(cuMemHostAlloc(&pinned, bytes, CU_MEMHOSTALLOC_PORTABLE));
  if (kind == GpuKind::managed) check(cuMemAllocManaged(&memory, bytes, CU_MEM_ATTACH_GLOBAL));
  if (kind == GpuKind::device) check(cuMemAlloc(&memory, bytes));
  data_ = static_cast<std::byte*>(pinned != nullptr ? pinned : reinterpret_cast<void*>(memory));
}
GpuMemory::~GpuMemory() {
  if (kind_ == GpuKind::pinned)
    cuMemFreeHost(data_);
  else
    cuMemFree(address(data_));
}

void GpuMemory::write(std::span<const std::byte> content) {
  const OnDevice on(device_);
  copy_now(content.data(), data_, content.size());
}
std::vector<std::byte> GpuMemory::read() const {
  const OnDevice on(device_);
  std::vector<std::byte> content(bytes_);
  copy_now(data_, content.data(), bytes_);
  return content;
}

GpuStream::GpuStream(int device) : device_(device) {
  const OnDevice on(device);
  check(cuStreamCreateWithPriority(&stream_, CU_STREAM_NON_BLOCKING, 0));
}
GpuStream::~GpuStream() {
  cuStreamDestroy(stream_);
}

/// The stand-in does it when somebody asks, and what is not ordered after it before.
void GpuStream::write_later(const GpuMemory& memory, const GpuMemory& content) {
  const OnDevice on(device_);
  check(cuMemcpyAsync(address(memory.data()), address(content.data()), content.bytes(), stream_));
}
void GpuStream::synchronize() {
  const OnDevice on(device_);
  check(cuCtxSynchronize());
}

void write_later_in_default_stream(const GpuMemory& memory, const GpuMemory& content) {
  const OnDevice on(0);
  check(cuMemcpyAsync(address(memory.data()), address(content.data()), content.bytes(), nullptr));
}

}  // namespace holdfast::test
