#include <cuda_runtime_api.h>

#include <stdexcept>

#include "support/gpu.hpp"

namespace holdfast::test {
namespace {

void check(cudaError_t result) {
  if (result != cudaSuccess) throw std::runtime_error(cudaGetErrorString(result));
}

/// Milliseconds of work, so that what does not wait for it comes too early.
void take_a_while(cudaStream_t stream) {
  constexpr std::size_t bytes = 256 << 20;
  void* scratch = nullptr;
  check(cudaMallocAsync(&scratch, bytes, stream));
  for (int i = 0; i < 100; ++i) check(cudaMemsetAsync(scratch, i, bytes, stream));
  check(cudaFreeAsync(scratch, stream));
}

}  // namespace

int gpus() {
  int count = 0;
  check(cudaGetDeviceCount(&count));
  return count;
}

GpuMemory::GpuMemory(std::size_t bytes, GpuKind kind, int device) : bytes_(bytes), kind_(kind), device_(device) {
  check(cudaSetDevice(device));
  void* memory = nullptr;
  if (kind == GpuKind::pinned) check(cudaMallocHost(&memory, bytes));
  if (kind == GpuKind::managed) check(cudaMallocManaged(&memory, bytes));
  if (kind == GpuKind::device) check(cudaMalloc(&memory, bytes));
  data_ = static_cast<std::byte*>(memory);
}
GpuMemory::~GpuMemory() {
  if (kind_ == GpuKind::pinned)
    cudaFreeHost(data_);
  else
    cudaFree(data_);
}

void GpuMemory::write(std::span<const std::byte> content) {
  check(cudaSetDevice(device_));
  check(cudaMemcpy(data_, content.data(), content.size(), cudaMemcpyDefault));
  check(cudaDeviceSynchronize());
}
std::vector<std::byte> GpuMemory::read() const {
  std::vector<std::byte> content(bytes_);
  check(cudaMemcpy(content.data(), data_, bytes_, cudaMemcpyDefault));
  return content;
}

GpuStream::GpuStream(int device) : device_(device) {
  check(cudaSetDevice(device));
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
}
GpuStream::~GpuStream() {
  cudaStreamDestroy(stream_);
}

void GpuStream::write_later(const GpuMemory& memory, const GpuMemory& content) {
  check(cudaSetDevice(device_));
  take_a_while(stream_);
  check(cudaMemcpyAsync(memory.data(), content.data(), content.bytes(), cudaMemcpyDefault, stream_));
}
void GpuStream::synchronize() {
  check(cudaStreamSynchronize(stream_));
}

void write_later_in_default_stream(const GpuMemory& memory, const GpuMemory& content) {
  check(cudaSetDevice(0));
  take_a_while(nullptr);
  check(cudaMemcpyAsync(memory.data(), content.data(), content.bytes(), cudaMemcpyDefault, nullptr));
}

}  // namespace holdfast::test
