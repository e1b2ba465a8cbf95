#include "sharded_state.hpp"

#include <mpi.h>

#include <cstring>
#include <string>

namespace holdfast::benchmarks {

ShardedState::ShardedState(std::uint64_t bytes)
    : memory_(bytes / sizeof(float), 1.0f), tensor_floats_(memory_.size() / tensors) {
  int rank = 0, ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const Shard box{.global = {rows() * static_cast<std::uint64_t>(ranks), columns},
                  .offset = {rows() * static_cast<std::uint64_t>(rank), 0},
                  .extent = {rows(), columns}};
  for (std::uint64_t i = 0; i < tensors; ++i)
    dict_.add("model/layer" + std::to_string(i) + "/weight",
              shard(memory_.data() + i * tensor_floats_, DType::f32, box));
}

void ShardedState::copy_to(std::span<float> to) const {
  for (std::uint64_t i = 0; i < tensors; ++i)
    std::memcpy(to.data() + i * tensor_floats_, tensor(i).data(), tensor_floats_ * sizeof(float));
}

}  // namespace holdfast::benchmarks
