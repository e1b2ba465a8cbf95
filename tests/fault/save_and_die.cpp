// Saves step 1 and waits; then saves step 2, in which rank 1 is killed. The others wait for it in MPI, as training
// would. What became of step 2 is seen from outside: save_and_die DIRECTORY [staged|copying]
//   staged   rank 1 dies when all ranks have staged
//   copying  rank 1 dies in the middle of its copy, of a page that it may not read
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <holdfast/checkpointer.hpp>
#include <string_view>

namespace {

constexpr std::uint64_t elements = 8 << 20;

float* make_memory() {
  void* memory = mmap(nullptr, elements * sizeof(float), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  auto* numbers = static_cast<float*>(memory);
  std::fill_n(numbers, elements, 1.0F);
  return numbers;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0, ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  float* const memory = make_memory();
  holdfast::Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = argv[1]});
  holdfast::StateDict state;
  state.add("w", holdfast::shard(memory, holdfast::DType::f32,
                                 {.global = {static_cast<std::uint64_t>(ranks), elements},
                                  .offset = {static_cast<std::uint64_t>(rank), 0},
                                  .extent = {1, elements}}));
  checkpointer.async_save(1, state).wait();
  if (rank == 1 && argc > 2 && std::string_view(argv[2]) == "copying") mprotect(memory + elements / 2, 4096, PROT_NONE);
  const auto save = checkpointer.async_save(2, state);
  MPI_Barrier(MPI_COMM_WORLD);  // all have staged
  if (rank == 1) raise(SIGKILL);
  MPI_Barrier(MPI_COMM_WORLD);
  return 0;
}
