#pragma once

#include <cstdint>

#include "model.hpp"
#include "torch.hpp"

namespace train {

/// The step-th (from 1) update of this rank's part of `parameter` by Adam with learning rate 1e-4; local.
void adam_update(Parameter& parameter, const torch::Tensor& gradient, std::int64_t step);

}  // namespace train
