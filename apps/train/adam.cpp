#include "adam.hpp"

#include <cmath>

namespace train {

void adam_update(Parameter& parameter, const torch::Tensor& gradient, std::int64_t step) {
  constexpr double learning_rate = 1e-4, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  const double correction1 = 1 - std::pow(beta1, step), correction2 = 1 - std::pow(beta2, step);
  parameter.first_moment.mul_(beta1).add_(gradient, 1 - beta1);
  parameter.second_moment.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
  const auto denominator = (parameter.second_moment.sqrt() / std::sqrt(correction2)).add_(epsilon);
  parameter.value.addcdiv_(parameter.first_moment, denominator, -learning_rate / correction1);
}

}  // namespace train
