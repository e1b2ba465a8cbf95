#include "model.hpp"

#include <fmt/format.h>

#include <cmath>

#include "data.hpp"

namespace train {

namespace {

Parameter make_parameter(const Group& group, std::string name, std::vector<std::int64_t> global) {
  const RowSplit split{global.front(), group.size()};
  auto local = global;
  local.front() = split.count(group.rank());
  return {std::move(name), std::move(global), split, torch::zeros(local), torch::zeros(local), torch::zeros(local)};
}

}  // namespace

std::span<float> floats(const torch::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

Model::Model(const Group& group, const std::vector<std::int64_t>& layer_widths) {
  for (std::size_t layer = 1; layer < layer_widths.size(); ++layer) {
    const auto inputs = layer_widths[layer - 1], outputs = layer_widths[layer];
    parameters_.push_back(make_parameter(group, fmt::format("net{}/weight", layer), {outputs, inputs}));
    parameters_.push_back(make_parameter(group, fmt::format("net{}/bias", layer), {outputs}));
  }
}

void Model::initialise(const Group& group, std::uint64_t seed) {
  auto generator = make_generator(seed);
  double bound = 0;
  for (auto& parameter : parameters_) {
    if (parameter.global.size() == 2)
      bound = 1 / std::sqrt(static_cast<double>(parameter.global[1]));  // the bias takes its weight's
    const auto whole = torch::empty(parameter.global).uniform_(-bound, bound, generator);
    const int rank = group.rank();
    parameter.value.copy_(whole.narrow(0, parameter.split.begin(rank), parameter.split.count(rank)));
    parameter.first_moment.zero_();
    parameter.second_moment.zero_();
  }
}

std::vector<torch::Tensor> Model::gather(const Group& group) const {
  std::vector<torch::Tensor> gathered;
  for (const auto& parameter : parameters_) {
    auto whole = torch::empty(parameter.global);
    group.all_gather(parameter.split, floats(parameter.value), floats(whole));
    gathered.push_back(whole.requires_grad_());
  }
  return gathered;
}

torch::Tensor Model::forward(const std::vector<torch::Tensor>& parameters, torch::Tensor inputs) {
  for (std::size_t at = 0; at < parameters.size(); at += 2) {
    if (at > 0) inputs = torch::relu(inputs);
    inputs = torch::addmm(parameters[at + 1], inputs, parameters[at].t());
  }
  return torch::sigmoid(inputs);
}

}  // namespace train
