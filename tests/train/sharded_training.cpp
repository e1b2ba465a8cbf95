// The trainer's sharded forward pass, gradients and Adam against LibTorch's own, which knows of no ranks.
#include <ATen/core/ivalue.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "trainer.hpp"

namespace {

using train::Group;
using train::Trainer;

constexpr int epochs = 20;

/// The whole model in one process, started with the trainer's weights.
class Reference {
 public:
  Reference(std::vector<torch::Tensor> parameters, std::uint64_t seed)
      : parameters_(std::move(parameters)),
        generator_(train::make_generator(seed + 1)),
        adam_(parameters_, torch::optim::AdamOptions(1e-4)) {}

  double epoch() {
    const auto inputs = torch::rand({train::global_batch, 8}, generator_);
    const auto labels = inputs.sum(1, true).ge(4).to(torch::kFloat32);
    adam_.zero_grad();
    const auto loss = torch::binary_cross_entropy(forward(inputs), labels);
    loss.backward();
    adam_.step();
    return loss.item<double>();
  }

  const std::vector<torch::Tensor>& parameters() const { return parameters_; }

 private:
  torch::Tensor forward(torch::Tensor x) const {
    for (std::size_t at = 0; at < parameters_.size(); at += 2) {
      x = torch::nn::functional::linear(at > 0 ? torch::relu(x) : x, parameters_[at], parameters_[at + 1]);
    }
    return torch::sigmoid(x);
  }

  std::vector<torch::Tensor> parameters_;
  at::Generator generator_;
  torch::optim::Adam adam_;
};

TEST(ShardedTraining, FollowsTheUnshardedReference) {
  const Group group(MPI_COMM_WORLD);
  const train::Options options{.seed = 7};
  Trainer trainer(group, options);
  Reference reference(trainer.model().gather(group), options.seed);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    trainer.run_epoch(false);
    EXPECT_NEAR(trainer.progress().loss, reference.epoch(), 1e-5) << "epoch " << epoch;
  }
  const auto trained = trainer.model().gather(group);
  for (std::size_t at = 0; at < trained.size(); ++at) {
    EXPECT_TRUE(torch::allclose(trained[at], reference.parameters()[at], 1e-4, 1e-6))
        << trainer.model().parameters()[at].name;
  }
}

TEST(ShardedTraining, IsTheSameBitForBitTheSecondTime) {
  const Group group(MPI_COMM_WORLD);
  const train::Options options{.hidden = 50, .layers = 2};
  Trainer first(group, options), second(group, options);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    first.run_epoch(false);
    second.run_epoch(false);
  }
  EXPECT_EQ(first.progress().loss, second.progress().loss);
  EXPECT_EQ(first.progress().generator, second.progress().generator);
  for (std::size_t at = 0; at < first.model().parameters().size(); ++at) {
    EXPECT_TRUE(first.model().parameters()[at].value.equal(second.model().parameters()[at].value));
  }
}

TEST(ShardedTraining, AFaultLeavesAStateThatWasNeverSaved) {
  const Group group(MPI_COMM_WORLD);
  Trainer trainer(group, {.hidden = 16, .layers = 2});
  const auto before = trainer.model().gather(group);
  EXPECT_THROW(trainer.run_epoch(true), train::InjectedFault);
  const auto after = trainer.model().gather(group);
  EXPECT_FALSE(after.front().equal(before.front()));
  EXPECT_TRUE(after.back().equal(before.back()));
}

}  // namespace
