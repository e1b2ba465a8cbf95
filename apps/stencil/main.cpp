// The heat equation on a cube, with patches of finer cells that come and go: how a simulation saves and resumes, on any
// number of ranks, bit for bit.
// usage: mpirun -n N holdfast-stencil DIRECTORY [STEPS [CELLS [STEP_TO_DIE_AT]]]
#include <mpi.h>
#include <signal.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <holdfast/checkpointer.hpp>

#include "field.hpp"
#include "patches.hpp"

namespace {

double hot_in_the_middle(const stencil::Triple& cell, std::int64_t n) {
  double distance = 0;
  for (const std::int64_t place : cell)
    distance += std::pow(static_cast<double>(2 * place - n) / static_cast<double>(n), 2);
  return std::exp(-4 * distance);
}

struct Run {
  const char* directory;
  std::int64_t steps, cells, step_to_die_at;
};

/// The step to go on from; 0: from the beginning.
std::int64_t resume(holdfast::Checkpointer& checkpointer, const Run& run, stencil::Field& field,
                    stencil::Patches& patches) {
  if (!checkpointer.latest()) return 0;
  std::int64_t step = 0;
  holdfast::StateDict state;
  state.add("heat", field.view());
  state.add("step", step);
  patches.make_room(holdfast::CheckpointReader(std::filesystem::path(run.directory) / "latest"), state);
  checkpointer.load(state, {.file = "latest"});  // the one that was looked at
  return step;
}

void simulate(MPI_Comm ranks, const Run& run) {
  stencil::Field field(ranks, run.cells);
  stencil::Patches patches(ranks);
  field.fill(hot_in_the_middle);
  holdfast::Checkpointer checkpointer(ranks, {.directory = run.directory, .keep_last = 3});
  std::int64_t step = resume(checkpointer, run, field, patches);
  int rank = 0;
  MPI_Comm_rank(ranks, &rank);
  if (rank == 0 && step > 0) std::printf("resumed after step %lld\n", static_cast<long long>(step));
  while (++step <= run.steps) {
    field.step();
    patches.step(step);
    if (step % 5 == 0) {
      holdfast::StateDict state;  // another one each time: the patches are others
      state.add("heat", field.view());
      state.add("step", step);
      patches.add_to(state);
      checkpointer.async_save(step, state);
    }
    if (step == run.step_to_die_at && rank == 0) kill(getpid(), SIGKILL);
  }
  const std::uint64_t heat = field.checksum(), cells = patches.checksum();
  if (rank == 0)
    std::printf("step %lld: heat %016llx, patches %016llx\n", static_cast<long long>(run.steps),
                static_cast<unsigned long long>(heat), static_cast<unsigned long long>(cells));
  checkpointer.close();
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const auto number = [&](int i, std::int64_t otherwise) { return i < argc ? std::atoll(argv[i]) : otherwise; };
  const Run run{argc > 1 ? argv[1] : "run/stencil", number(2, 40), number(3, 48), number(4, -1)};
  int size = 0, sides[3] = {0, 0, 0}, periods[3] = {1, 1, 1}, status = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Dims_create(size, 3, sides);
  MPI_Comm ranks = MPI_COMM_NULL;
  MPI_Cart_create(MPI_COMM_WORLD, 3, sides, periods, 0, &ranks);
  try {
    simulate(ranks, run);
  } catch (const holdfast::Error& error) {  // the same on all ranks
    std::fprintf(stderr, "%s\n", error.what());
    status = 1;
  }
  MPI_Comm_free(&ranks);
  MPI_Finalize();
  return status;
}
