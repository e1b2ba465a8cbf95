#include <cmath>
#include <stdexcept>

#include "kernels.hpp"

namespace train_gpu {
namespace {

constexpr int threads = 256;

/// function(i) for i below count, one thread each.
template <class Function>
__global__ void each(std::int64_t count, Function function) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) function(i);
}

template <class Function>
void launch(std::int64_t count, cudaStream_t stream, Function function) {
  if (count == 0) return;
  each<<<static_cast<unsigned>((count + threads - 1) / threads), threads, 0, stream>>>(count, function);
  if (const cudaError_t result = cudaGetLastError(); result != cudaSuccess) throw std::runtime_error(cudaGetErrorString(result));
}

}  // namespace

void spread_bias(const float* bias, float* rows_of_bias, std::int64_t rows, std::int64_t columns, cudaStream_t stream) {
  launch(rows * columns, stream, [=] __device__(std::int64_t i) { rows_of_bias[i] = bias[i % columns]; });
}

void relu(float* values, std::int64_t count, cudaStream_t stream) {
  launch(count, stream, [=] __device__(std::int64_t i) { values[i] = fmaxf(values[i], 0.0F); });
}

void relu_backward(const float* outputs, float* gradient, std::int64_t count, cudaStream_t stream) {
  launch(count, stream, [=] __device__(std::int64_t i) {
    if (outputs[i] <= 0.0F) gradient[i] = 0.0F;
  });
}

void loss_and_gradient(const float* logits, const float* labels, float* losses, float* gradient, std::int64_t count, float scale,
                       cudaStream_t stream) {
  launch(count, stream, [=] __device__(std::int64_t i) {
    const float x = logits[i], y = labels[i];
    losses[i] = fmaxf(x, 0.0F) - x * y + log1pf(expf(-fabsf(x)));
    gradient[i] = (1.0F / (1.0F + expf(-x)) - y) * scale;
  });
}

void adam(float* value, float* first_moment, float* second_moment, const float* gradient, std::int64_t count, std::int64_t step,
          cudaStream_t stream) {
  constexpr float beta1 = 0.9F, beta2 = 0.999F, epsilon = 1e-8F;
  const auto rate = static_cast<float>(1e-4 / (1 - std::pow(0.9, static_cast<double>(step))));
  const auto root = static_cast<float>(std::sqrt(1 - std::pow(0.999, static_cast<double>(step))));
  launch(count, stream, [=] __device__(std::int64_t i) {
    const float g = gradient[i];
    const float m = first_moment[i] = beta1 * first_moment[i] + (1 - beta1) * g;
    const float v = second_moment[i] = beta2 * second_moment[i] + (1 - beta2) * g * g;
    value[i] -= rate * m / (sqrtf(v) / root + epsilon);
  });
}

}  // namespace train_gpu
