// The example of README.md: what stands between the two [readme] lines stands there too (tests/readme checks it).
#include <mpi.h>

#include <cstdio>
#include <vector>

// [readme]
#include <holdfast/checkpointer.hpp>

void train(MPI_Comm comm, std::uint64_t rank, std::uint64_t ranks) {
  std::vector<float> weight(64 * 32), bias(128);  // this rank's 64 rows of a matrix, and a vector that all ranks hold
  std::int64_t epoch = 0;

  holdfast::Checkpointer checkpointer(comm, {.directory = "run/ckpt", .keep_last = 3});
  holdfast::StateDict state;  // names and addresses; built once
  state.add("model/weight",
            holdfast::shard(weight.data(), holdfast::DType::f32,
                            {.global = {64 * ranks, 32}, .offset = {64 * rank, 0}, .extent = {64, 32}}));
  state.add("model/bias", holdfast::replicated(bias.data(), holdfast::DType::f32, {128}));
  state.add("epoch", epoch);

  if (checkpointer.latest())
    checkpointer.load(state);  // in place; the newest that is whole; saved by any number of ranks
  while (++epoch <= 100) {
    for (float& w : weight) w += 0.5F;                           // your training step
    if (epoch % 10 == 0) checkpointer.async_save(epoch, state);  // returns when the tensors may change again
  }
  checkpointer.close();  // waits until everything is durable, and throws if something is not
}
// [readme]

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0, ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  train(MPI_COMM_WORLD, static_cast<std::uint64_t>(rank), static_cast<std::uint64_t>(ranks));
  if (rank == 0) std::puts("done: run/ckpt");
  MPI_Finalize();
  return 0;
}
