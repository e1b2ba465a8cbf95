#include <holdfast/checkpointer.hpp>
#include <numeric>
#include <vector>

/// Saves a vector that is split over the ranks, loses it, loads it back and says whether it is the same.
static bool save_and_load(const char* directory, std::uint64_t rank, std::uint64_t ranks) {
  constexpr std::uint64_t count = 1000;
  std::vector<double> part(count);
  std::iota(part.begin(), part.end(), static_cast<double>(rank * count));
  const auto saved = part;
  int epoch = 7;

  holdfast::Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory});
  holdfast::StateDict state;
  state.add("part", holdfast::shard(part.data(), holdfast::DType::f64,
                                    {.global = {ranks * count}, .offset = {rank * count}, .extent = {count}}));
  state.add("epoch", epoch);
  checkpointer.async_save(epoch, state).wait();

  part.assign(count, 0);
  epoch = 0;
  checkpointer.load(state);
  checkpointer.close();
  return part == saved && epoch == 7;
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0, ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const bool same = save_and_load(argv[1], static_cast<std::uint64_t>(rank), static_cast<std::uint64_t>(ranks));
  MPI_Finalize();
  return same ? 0 : 1;
}
