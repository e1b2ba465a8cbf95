#include "model.hpp"

#include <cmath>
#include <numeric>
#include <random>

#include "kernels.hpp"

namespace train_gpu {
namespace {

Parameter make_parameter(std::string name, std::vector<std::uint64_t> shape) {
  const std::size_t count = std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
  return {std::move(name), std::move(shape), Floats(count), Floats(count), Floats(count), Floats(count)};
}

}  // namespace

Model::Model(const std::vector<std::int64_t>& widths, std::int64_t samples, cudaStream_t stream)
    : widths_(widths),
      stream_(stream),
      labels_(static_cast<std::size_t>(samples)),
      losses_(static_cast<std::size_t>(samples)),
      ones_(static_cast<std::size_t>(samples)) {
  for (const std::int64_t width : widths_) {
    outputs_.emplace_back(static_cast<std::size_t>(samples * width));
    gradients_.emplace_back(static_cast<std::size_t>(samples * width));
  }
  for (std::size_t layer = 1; layer < widths_.size(); ++layer) {
    const auto inputs = static_cast<std::uint64_t>(widths_[layer - 1]),
               outputs = static_cast<std::uint64_t>(widths_[layer]);
    const std::string name = "net" + std::to_string(layer);
    parameters_.push_back(make_parameter(name + "/weight", {outputs, inputs}));
    parameters_.push_back(make_parameter(name + "/bias", {outputs}));
  }
  ones_.put(std::vector<float>(ones_.size(), 1.0F), stream_);
  check(cublasCreate(&blas_), "cublasCreate");
  check(cublasSetStream(blas_, stream_), "cublasSetStream");
}

Model::~Model() {
  cublasDestroy(blas_);
}

void Model::initialise(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  float bound = 0;
  for (Parameter& parameter : parameters_) {
    if (parameter.shape.size() == 2) bound = 1 / std::sqrt(static_cast<float>(parameter.shape[1]));
    std::vector<float> values(parameter.value.size());
    for (float& value : values) value = (static_cast<float>(random() >> 40) / (1 << 23) - 1) * bound;
    parameter.value.put(values, stream_);
    for (Floats* moment : {&parameter.first_moment, &parameter.second_moment})
      moment->put(std::vector<float>(moment->size(), 0.0F), stream_);
  }
}

double Model::forward_backward(const std::vector<float>& inputs, const std::vector<float>& labels, float scale) {
  const auto samples = static_cast<std::int64_t>(labels.size());
  outputs_.front().put(inputs, stream_);
  labels_.put(labels, stream_);
  forward(samples);
  loss_and_gradient(outputs_.back().data(), labels_.data(), losses_.data(), gradients_.back().data(), samples, scale,
                    stream_);
  backward(samples);
  const std::vector<float> losses = losses_.get(stream_);
  return std::accumulate(losses.begin(), losses.begin() + samples, 0.0);
}

void Model::forward(std::int64_t samples) {
  for (std::size_t layer = 1; layer < widths_.size(); ++layer) {
    const std::int64_t in = widths_[layer - 1], out = widths_[layer];
    const Parameter &weight = parameters_[2 * layer - 2], &bias = parameters_[2 * layer - 1];
    spread_bias(bias.value.data(), outputs_[layer].data(), samples, out, stream_);
    multiply(false, true, samples, out, in, outputs_[layer - 1].data(), weight.value.data(), 1, outputs_[layer].data());
    if (layer + 1 < widths_.size()) relu(outputs_[layer].data(), samples * out, stream_);
  }
}

void Model::backward(std::int64_t samples) {
  for (std::size_t layer = widths_.size() - 1; layer > 0; --layer) {
    const std::int64_t in = widths_[layer - 1], out = widths_[layer];
    const Parameter &weight = parameters_[2 * layer - 2], &bias = parameters_[2 * layer - 1];
    const float* const gradient = gradients_[layer].data();
    multiply(true, false, out, in, samples, gradient, outputs_[layer - 1].data(), 0, weight.gradient.data());
    multiply(false, false, 1, out, samples, ones_.data(), gradient, 0, bias.gradient.data());
    if (layer == 1) return;
    multiply(false, false, samples, in, out, gradient, weight.value.data(), 0, gradients_[layer - 1].data());
    relu_backward(outputs_[layer - 1].data(), gradients_[layer - 1].data(), samples * in, stream_);
  }
}

/// cuBLAS counts columns first: row-major C = A B is column-major C^T = B^T A^T.
void Model::multiply(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                     const float* b, float beta, float* c) {
  if (m == 0 || n == 0) return;
  const auto width = [](std::int64_t columns) { return static_cast<int>(columns); };
  const auto operation = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const float alpha = 1;
  check(cublasSgemm(blas_, operation(transpose_b), operation(transpose_a), width(n), width(m), width(k), &alpha, b,
                    width(transpose_b ? k : n), a, width(transpose_a ? m : k), &beta, c, width(n)),
        "cublasSgemm");
}

}  // namespace train_gpu
