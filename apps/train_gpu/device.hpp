#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace train_gpu {

inline void check(cudaError_t result, const char* call) {
  if (result != cudaSuccess) throw std::runtime_error(std::string(call) + ": " + cudaGetErrorString(result));
}
inline void check(cublasStatus_t result, const char* call) {
  if (result != CUBLAS_STATUS_SUCCESS)
    throw std::runtime_error(std::string(call) + ": " + cublasGetStatusString(result));
}

/// Floats on the current device, zero at first.
class Floats {
 public:
  explicit Floats(std::size_t count) : count_(count) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, count * sizeof(float)), "cudaMalloc");
    data_ = static_cast<float*>(memory);
    check(cudaMemset(data_, 0, count * sizeof(float)), "cudaMemset");
    check(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");  // no other stream would wait for it
  }
  ~Floats() { cudaFree(data_); }
  Floats(Floats&& other) noexcept : data_(std::exchange(other.data_, nullptr)), count_(other.count_) {}
  Floats& operator=(Floats&&) = delete;

  [[nodiscard]] float* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }

  /// In the order of `stream`; returns when it is done.
  void put(std::span<const float> values, cudaStream_t stream) {
    check(cudaMemcpyAsync(data_, values.data(), values.size_bytes(), cudaMemcpyHostToDevice, stream),
          "cudaMemcpyAsync");
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  }
  [[nodiscard]] std::vector<float> get(cudaStream_t stream) const {
    std::vector<float> values(count_);
    check(cudaMemcpyAsync(values.data(), data_, count_ * sizeof(float), cudaMemcpyDeviceToHost, stream),
          "cudaMemcpyAsync");
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    return values;
  }

 private:
  float* data_ = nullptr;
  std::size_t count_;
};

}  // namespace train_gpu
