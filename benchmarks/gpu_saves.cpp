#include "gpu_saves.hpp"

#include <mpi.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "measure.hpp"
#include "mpi_main.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr int side = 4096;  ///< of the matrices that are multiplied
constexpr std::uint64_t page = 64 * 1024;
/// Times of a plain copy that the arithmetic takes: the copy fits into it with the time that enqueuing takes, and what
/// the clock of the device makes of longer arithmetic does not hide what a copy costs.
constexpr double computing = 4;

Options options_for(std::uint64_t bytes) {
  static int count = 0;
  return {.directory = shared_directory() / std::to_string(count++),
          .keep_last = 1,
          .memory_limit_bytes = bytes + bytes / 2};
}

}  // namespace

void check(cudaError_t result) {
  if (result != cudaSuccess) throw std::runtime_error(cudaGetErrorString(result));
}

GpuSaves::GpuSaves(std::uint64_t bytes, bool many) : bytes_(bytes), checkpointer_(MPI_COMM_WORLD, options_for(bytes)) {
  check(cudaSetDevice(0));
  void *memory = nullptr, *matrices = nullptr;
  check(cudaMalloc(&memory, bytes));
  check(cudaMemset(memory, 1, bytes));
  check(cudaMallocHost(&pinned_, bytes));
  check(cudaMalloc(&matrices, 3 * sizeof(float) * side * side));
  check(cudaMemset(matrices, 0, 3 * sizeof(float) * side * side));
  check(cudaDeviceSynchronize());
  memory_ = static_cast<std::byte*>(memory);
  matrices_ = static_cast<float*>(matrices);
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  check(cudaStreamCreateWithFlags(&copying_, cudaStreamNonBlocking));
  check(cudaEventCreate(&begin_));
  check(cudaEventCreate(&end_));
  if (cublasCreate(&blas_) != CUBLAS_STATUS_SUCCESS || cublasSetStream(blas_, stream_) != CUBLAS_STATUS_SUCCESS)
    throw std::runtime_error("cuBLAS does not start");
  describe(many);
  calibrate();
}

GpuSaves::~GpuSaves() {
  cublasDestroy(blas_);
  cudaEventDestroy(begin_);
  cudaEventDestroy(end_);
  cudaStreamDestroy(stream_);
  cudaStreamDestroy(copying_);
  cudaFree(matrices_);
  cudaFreeHost(pinned_);
  cudaFree(memory_);
}

/// Of a thousand tensors 700 have 16 KiB, 250 have 256 KiB, and 50 share the rest, as norms, biases and matrices do.
void GpuSaves::describe(bool many) {
  std::uint64_t at = 0;
  const auto add = [&](std::uint64_t tensor_bytes) {
    state_.add("model/t" + std::to_string(state_.tensors().size()),
               replicated(static_cast<void*>(memory_ + at), DType::f32, {tensor_bytes / sizeof(float)}));
    at += tensor_bytes;
  };
  if (!many) return add(bytes_);
  for (int i = 0; i < 950; ++i) add(i % 19 < 14 ? 16 * 1024 : 256 * 1024);
  const std::uint64_t each = (bytes_ - at) / 50 / page * page;
  for (int i = 0; i < 49; ++i) add(each);
  add(bytes_ - at);
}

double GpuSaves::copy_plainly() {
  const double start = now_s();
  check(cudaMemcpyAsync(pinned_, memory_, bytes_, cudaMemcpyDeviceToHost, copying_));
  check(cudaStreamSynchronize(copying_));
  return now_s() - start;
}

void GpuSaves::multiply(int times) {
  const float one = 1, zero = 0;
  float* const a = matrices_;
  for (int i = 0; i < times; ++i)
    if (cublasSgemm(blas_, CUBLAS_OP_N, CUBLAS_OP_N, side, side, side, &one, a, side, a + side * side, side, &zero,
                    a + 2 * side * side, side) != CUBLAS_STATUS_SUCCESS)
      throw std::runtime_error("cublasSgemm failed");
}

void GpuSaves::calibrate() {
  GpuSample none;
  copy_plainly();
  const double copy_s = copy_plainly();
  compute(false, none);
  multiplications_ = 10;
  multiplications_ = std::max(10, static_cast<int>(10 * computing * copy_s / compute(false, none)));
}

double GpuSaves::compute(bool with_save, GpuSample& sample) {
  SaveFuture saving;
  check(cudaEventRecord(begin_, stream_));
  if (with_save) {
    const double start = now_s();
    saving = checkpointer_.async_save(++step_, state_, {.overlap_staging = true, .stream = stream_});
    sample.overlap_s = now_s() - start;
  }
  multiply(multiplications_);
  if (with_save) saving.wait_staged(stream_);  // before the optimizer's step
  check(cudaEventRecord(end_, stream_));
  check(cudaEventSynchronize(end_));
  if (with_save) sample.plan_s = saving.wait().plan_s;
  float ms = 0;
  check(cudaEventElapsedTime(&ms, begin_, end_));
  return ms / 1e3;
}

double GpuSaves::save() {
  const double start = now_s();
  const SaveFuture saving = checkpointer_.async_save(++step_, state_, {.stream = stream_});
  const double blocked_s = now_s() - start;
  saving.wait();
  return blocked_s;
}

double GpuSaves::first() {
  return save();
}

GpuSample GpuSaves::next() {
  GpuSample sample;
  const bool measure_first = step_ % 4 < 2;
  if (measure_first) sample.memcpy_s = copy_plainly();
  const double start = now_s();
  sample.blocked_s = save();
  sample.commit_s = now_s() - start;
  if (!measure_first) sample.memcpy_s = copy_plainly();
  const double alone_before = measure_first ? compute(false, sample) : 0;
  const double together = compute(true, sample);
  sample.lost_s = together - (measure_first ? alone_before : compute(false, sample));
  return sample;
}

}  // namespace holdfast::benchmarks
