#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <holdfast/checkpointer.hpp>
#include <vector>

namespace holdfast::benchmarks {

/// Throws what CUDA says.
void check(cudaError_t result);

/// One measured pair.
struct GpuSample {
  double blocked_s = 0;  ///< async_save, from call to return
  double memcpy_s = 0;   ///< one cudaMemcpyAsync of the same bytes into pinned memory, until it is done
  double overlap_s = 0;  ///< async_save with overlap_staging, from call to return
  double plan_s = 0;     ///< of that, what it does before it enqueues anything
  double lost_s = 0;     ///< what a stream that computes takes longer because of that save, its call included
  double commit_s = 0;
};

/// A program with `bytes` of state on GPU 0 that saves it again and again: in one tensor, or in a thousand as a
/// transformer has them (a few of many MiB, most of some KiB). One rank, one arena.
class GpuSaves {
 public:
  GpuSaves(std::uint64_t bytes, bool many);
  ~GpuSaves();
  GpuSaves(const GpuSaves&) = delete;
  GpuSaves& operator=(const GpuSaves&) = delete;
  void close() { checkpointer_.close(); }

  /// The first save, which makes plan and arena and page-locks it: seconds that async_save blocks.
  double first();
  /// Each kind of save beside its measure; which comes first alternates. Returns when all is committed.
  GpuSample next();
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  void describe(bool many);
  double copy_plainly();
  double save();
  /// Seconds that the computing stream takes for the same work, with or without a save that begins before it.
  double compute(bool with_save, GpuSample& sample);
  void multiply(int times);
  void calibrate();

  std::uint64_t bytes_;
  std::byte* memory_ = nullptr;
  void* pinned_ = nullptr;
  float* matrices_ = nullptr;
  cudaStream_t stream_ = nullptr, copying_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  cublasHandle_t blas_ = nullptr;
  int multiplications_ = 1;  ///< that take a few times as long as the copy
  StateDict state_;
  Checkpointer checkpointer_;
  std::int64_t step_ = 0;
};

}  // namespace holdfast::benchmarks
