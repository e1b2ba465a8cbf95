// Two ranks on two nodes, and a save in whose middle the helper of the second node hangs while the first one waits for
// it. What each rank's wait() then throws stands in REPORT.RANK: wait_for_node DIRECTORY REPORT STUCK-FILE
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <holdfast/checkpointer.hpp>
#include <string>
#include <vector>

int main(int, char** argv) {
  MPI_Init(nullptr, nullptr);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  std::vector<float> memory(1 << 20, 1.0F);
  holdfast::StateDict state;
  state.add("w", holdfast::shard(memory.data(), holdfast::DType::f32,
                                 {.global = {2, memory.size()},
                                  .offset = {static_cast<std::uint64_t>(rank), 0},
                                  .extent = {1, memory.size()}}));
  holdfast::Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = argv[1], .helper_timeout_s = 5});
  checkpointer.async_save(1, state).wait();
  if (rank == 1) std::ofstream{argv[3]};
  MPI_Barrier(MPI_COMM_WORLD);
  const auto save = checkpointer.async_save(2, state);
  MPI_Barrier(MPI_COMM_WORLD);
  std::ofstream report(argv[2] + std::string(".") + std::to_string(rank));
  report << "staged" << std::endl;
  const auto start = std::chrono::steady_clock::now();
  try {
    save.wait();
    report << "committed" << std::endl;
  } catch (const holdfast::Error& error) {
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
    report << error.what() << " after " << waited.count() << " s" << std::endl;
  }
  _exit(7);  // the other rank may be gone, so there is no orderly end
}
