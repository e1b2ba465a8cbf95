// Saves step 1 and waits; then saves step 2, and rank 1 is killed as soon as async_save has returned. The others wait for it in
// MPI, as training would. What became of step 2 is seen from outside: save_and_die DIRECTORY.
#include <signal.h>

#include <holdfast/checkpointer.hpp>
#include <vector>

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0, ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const auto rows = static_cast<std::uint64_t>(ranks);
  std::vector<float> memory(8 << 20, 1.0F);
  holdfast::Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = argv[1]});
  holdfast::StateDict state;
  state.add(
      "w", holdfast::shard(
               memory.data(), holdfast::DType::f32,
               {.global = {rows, memory.size()}, .offset = {static_cast<std::uint64_t>(rank), 0}, .extent = {1, memory.size()}}));
  checkpointer.async_save(1, state).wait();
  const auto save = checkpointer.async_save(2, state);
  MPI_Barrier(MPI_COMM_WORLD);  // all have staged
  if (rank == 1) raise(SIGKILL);
  MPI_Barrier(MPI_COMM_WORLD);
  return 0;
}
