#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "collectives.hpp"
#include "torch.hpp"

namespace train {

/// One parameter and its Adam moments. Each rank holds the rows that `split` gives it of all three; the memory stays
/// where it is, because the checkpoints point at it.
struct Parameter {
  std::string name;                  ///< "net1/weight"
  std::vector<std::int64_t> global;  ///< the whole shape
  RowSplit split;
  torch::Tensor value;
  torch::Tensor first_moment;
  torch::Tensor second_moment;
};

/// Fully connected layers, ReLU between them and a sigmoid at the end; two parameters per layer, weight and bias.
class Model {
 public:
  Model(const Group& group, const std::vector<std::int64_t>& layer_widths);

  /// Values as torch::nn::Linear starts them, drawn from `seed` whatever the number of ranks; moments zero.
  void initialise(const Group& group, std::uint64_t seed);
  /// Gathers the parameters from all ranks, in order, as leaves that take gradients. Collective.
  [[nodiscard]] std::vector<torch::Tensor> gather(const Group& group) const;
  /// What the gathered `parameters` say to `inputs`, one number in 0..1 per row.
  [[nodiscard]] static torch::Tensor forward(const std::vector<torch::Tensor>& parameters, torch::Tensor inputs);

  [[nodiscard]] std::vector<Parameter>& parameters() { return parameters_; }

 private:
  std::vector<Parameter> parameters_;
};

/// The numbers of a dense f32 tensor on the host.
[[nodiscard]] std::span<float> floats(const torch::Tensor& tensor);

}  // namespace train
