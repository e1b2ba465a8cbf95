#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "device.hpp"

namespace train_gpu {

/// One parameter with its Adam moments and its gradient, all on the device. The memory stays where it is, because the
/// checkpoints point at it.
struct Parameter {
  std::string name;                  ///< "net1/weight"
  std::vector<std::uint64_t> shape;  ///< outputs x inputs, or outputs
  Floats value, first_moment, second_moment, gradient;
};

/// Fully connected layers with ReLU between them; every rank holds all of it, and computes on its part of the batch.
class Model {
 public:
  /// For at most `samples` samples at once. `widths` go from the inputs to the output, which is one number.
  Model(const std::vector<std::int64_t>& widths, std::int64_t samples, cudaStream_t stream);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  /// Values drawn from `seed`, moments zero.
  void initialise(std::uint64_t seed);
  /// Sets the gradients of the sum of the samples' losses times `scale`; returns the sum of the losses.
  double forward_backward(const std::vector<float>& inputs, const std::vector<float>& labels, float scale);

  [[nodiscard]] std::vector<Parameter>& parameters() { return parameters_; }

 private:
  void forward(std::int64_t samples);
  void backward(std::int64_t samples);
  /// Row-major C (m x n) = alpha * op(A) op(B) + beta * C.
  void multiply(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                const float* b, float beta, float* c);

  std::vector<std::int64_t> widths_;
  cudaStream_t stream_;
  cublasHandle_t blas_ = nullptr;
  std::vector<Parameter> parameters_;  ///< weight, bias, weight, bias, …
  std::vector<Floats> outputs_;        ///< of each layer; [0] are the inputs
  std::vector<Floats> gradients_;      ///< of the outputs
  Floats labels_, losses_, ones_;
};

}  // namespace train_gpu
