#include "trainer.hpp"

#include <fmt/format.h>

#include "adam.hpp"

namespace train {

Trainer::Trainer(const Group& group, const Options& options)
    : group_(group), seed_(options.seed), model_(group, options.layer_widths()) {
  start_over();
}

void Trainer::start_over() {
  model_.initialise(group_, seed_);
  progress_ = {.seed = seed_, .generator = state_bytes(make_generator(seed_ + 1))};  // other numbers than the weights
}

void Trainer::run_epoch(bool fault) {
  auto generator = make_generator(0);
  restore_state(generator, progress_.generator);
  const auto batch = next_batch(group_, generator);
  const auto gathered = loss_and_gradients(batch);
  update(gathered, fault);
  progress_.epoch += 1;
  progress_.samples += batch.inputs.size(0);
  progress_.generator = state_bytes(generator);
}

/// Returns the gathered parameters, each with the gradient of this rank's share of the loss.
std::vector<torch::Tensor> Trainer::loss_and_gradients(const Batch& batch) {
  auto gathered = model_.gather(group_);
  const auto outputs = Model::forward(gathered, batch.inputs);
  const auto loss = torch::binary_cross_entropy(outputs, batch.labels, {}, at::Reduction::Sum) / global_batch;
  loss.backward();
  progress_.loss = group_.sum(loss.item<double>());
  return gathered;
}

void Trainer::update(const std::vector<torch::Tensor>& gathered, bool fault) {
  auto& parameters = model_.parameters();
  for (std::size_t at = 0; at < parameters.size(); ++at) {
    if (fault && at == parameters.size() / 2) {
      throw InjectedFault(
          fmt::format("an exception in epoch {}, with half of the parameters updated", progress_.epoch + 1));
    }
    auto gradient = torch::empty_like(parameters[at].value);
    group_.reduce_scatter(parameters[at].split, floats(gathered[at].grad()), floats(gradient));
    adam_update(parameters[at], gradient, progress_.epoch + 1);
  }
}

}  // namespace train
