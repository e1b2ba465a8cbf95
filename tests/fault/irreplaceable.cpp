// Under plain mpirun, which ends the job with a helper: a helper that is stopped is reported with the option that would
// have helped, the program goes on without checkpoints, and the job ends when the program does: irreplaceable
// DIRECTORY.
#include <signal.h>

#include <cstdio>
#include <holdfast/checkpointer.hpp>
#include <vector>

#include "support/mpi_fixture.hpp"
#include "support/processes.hpp"

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int rank = holdfast::test::rank_in(MPI_COMM_WORLD);
  std::vector<float> memory(1000, 1.0F);
  holdfast::StateDict state;
  state.add("w", holdfast::replicated(memory.data(), holdfast::DType::f32, {memory.size()}));
  holdfast::Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = argv[1], .helper_timeout_s = 2});
  checkpointer.async_save(1, state).wait();
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) kill(holdfast::test::helpers_of_this_job().at(0), SIGSTOP);
  MPI_Barrier(MPI_COMM_WORLD);
  const auto say = [&](const char* when, const std::exception& error) {
    if (rank == 0) std::printf("%s: %s\n", when, error.what());
  };
  try {
    checkpointer.async_save(2, state).wait();
  } catch (const holdfast::Error& error) {
    say("wait", error);
  }
  try {
    checkpointer.async_save(3, state);
  } catch (const holdfast::Error& error) {
    say("the next save", error);
  }
  try {
    checkpointer.close();
  } catch (const holdfast::Error& error) {
    say("close", error);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) std::printf("the program went on\n");
  std::fflush(stdout);
  MPI_Finalize();
  return 0;
}
