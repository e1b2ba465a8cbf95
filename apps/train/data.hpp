#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "collectives.hpp"
#include "torch.hpp"

namespace train {

/// A source of random numbers of its own, so that nothing else can draw from it.
[[nodiscard]] at::Generator make_generator(std::uint64_t seed);

/// Everything that decides what the generator draws next, as bytes, and back.
[[nodiscard]] std::vector<std::byte> state_bytes(const at::Generator& generator);
void restore_state(at::Generator& generator, const std::vector<std::byte>& bytes);

struct Batch {
  torch::Tensor inputs;  ///< samples x 8, in 0..1
  torch::Tensor labels;  ///< samples x 1: is the sum of the inputs at least 4?
};

/// Samples of one epoch over all ranks, whatever their number.
inline constexpr std::int64_t global_batch = 32;

/// This rank's samples of the next epoch. Every rank draws them all and keeps its rows, so that a run that is resumed
/// on another number of ranks sees the same data.
[[nodiscard]] Batch next_batch(const Group& group, at::Generator& generator);

}  // namespace train
