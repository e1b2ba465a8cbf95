#pragma once

#include <cstdint>
#include <holdfast/state_dict.hpp>
#include <span>
#include <vector>

namespace holdfast::benchmarks {

/// The state that most benchmarks save: 16 f32 tensors, each of a sixteenth of `bytes` per rank, sharded by rows over
/// MPI_COMM_WORLD.
class ShardedState {
 public:
  static constexpr std::uint64_t tensors = 16, columns = 1024;

  explicit ShardedState(std::uint64_t bytes);

  [[nodiscard]] StateDict& dict() noexcept { return dict_; }
  [[nodiscard]] std::uint64_t floats() const noexcept { return memory_.size(); }
  /// This rank's rows of a tensor.
  [[nodiscard]] std::uint64_t rows() const noexcept { return tensor_floats_ / columns; }
  [[nodiscard]] std::span<const float> tensor(std::uint64_t i) const {
    return std::span(memory_).subspan(i * tensor_floats_, tensor_floats_);
  }
  /// One memcpy per tensor, into floats() of them: what a save is measured against.
  void copy_to(std::span<float> to) const;

 private:
  std::vector<float> memory_;
  std::uint64_t tensor_floats_;
  StateDict dict_;
};

}  // namespace holdfast::benchmarks
