#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

/// What cuBLAS does not do. All enqueue on `stream`; all pointers are on its device. The same input gives the same
/// bits.
namespace train_gpu {

/// Each of `rows` rows of `columns` becomes the bias.
void spread_bias(const float* bias, float* rows_of_bias, std::int64_t rows, std::int64_t columns, cudaStream_t stream);
void relu(float* values, std::int64_t count, cudaStream_t stream);
/// Clears the gradient where the output of relu was 0.
void relu_backward(const float* outputs, float* gradient, std::int64_t count, cudaStream_t stream);
/// Of a sigmoid and the binary cross entropy after it: each sample's loss, and the gradient of their sum times `scale`.
void loss_and_gradient(const float* logits, const float* labels, float* losses, float* gradient, std::int64_t count,
                       float scale, cudaStream_t stream);
/// The step-th update, from 1, by Adam with learning rate 1e-4.
void adam(float* value, float* first_moment, float* second_moment, const float* gradient, std::int64_t count,
          std::int64_t step, cudaStream_t stream);

}  // namespace train_gpu
