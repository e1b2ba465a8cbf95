// Saves a state, or loads it and looks at every element, on as many ranks and nodes as it is started: across_nodes
// save|load DIRECTORY [RANKS-THAT-SAVED]. Exits 1 if anything is wrong.
#include <cstdio>
#include <cstdlib>
#include <holdfast/checkpointer.hpp>
#include <string_view>

#include "slurm/spread.hpp"

namespace holdfast::test {
namespace {

constexpr std::int64_t step = 7;

/// What rank `saver` saved as its own.
std::string own_text(int saver) {
  return "rank " + std::to_string(saver) + std::string(static_cast<std::size_t>(saver) * 3, '.');
}

struct State {
  int rank = rank_in(MPI_COMM_WORLD), ranks = size_of_comm(MPI_COMM_WORLD);
  std::vector<SampleTensor> tensors = spread_tensors(rank, ranks);
  std::int64_t epoch = 0;
  std::string own;
  StateDict dict;

  State() {
    for (SampleTensor& tensor : tensors) dict.add(tensor.name(), tensor.view());
    dict.add("epoch", epoch);
    dict.add_per_rank("own", own);
  }
};

void save(const std::filesystem::path& directory) {
  State state;
  for (SampleTensor& tensor : state.tensors) tensor.fill();
  state.epoch = 42;
  state.own = own_text(state.rank);
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory});
  checkpointer.async_save(step, state.dict).wait();
  checkpointer.close();
}

/// A rank gets the own value of the rank that has its number among those that saved, counted round.
int load(const std::filesystem::path& directory, int savers) {
  State state;
  for (SampleTensor& tensor : state.tensors) tensor.clear();
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory, .read_only = true});
  const LoadReport report = checkpointer.load(state.dict);
  int mistakes = 0;
  const auto expect = [&](bool good, const std::string& what) {
    if (good) return;
    ++mistakes;
    std::fprintf(stderr, "rank %d: %s\n", state.rank, what.c_str());
  };
  for (const SampleTensor& tensor : state.tensors) expect(tensor.mistake().empty(), tensor.mistake());
  expect(report.step == step, "the step is another");
  expect(report.saved_by_ranks == savers, "saved by " + std::to_string(report.saved_by_ranks) + " ranks");
  expect(state.epoch == 42, "the epoch is another");
  expect(state.own == own_text(state.rank % savers), "the own value is \"" + state.own + "\"");
  checkpointer.close();
  return mistakes;
}

int run(int argc, char** argv) {
  const std::string_view mode = argc > 2 ? argv[1] : "";
  if (mode == "load" && argc > 3) return load(argv[2], std::atoi(argv[3]));
  if (mode != "save") return 1;
  save(argv[2]);
  return 0;
}

}  // namespace
}  // namespace holdfast::test

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int failed = holdfast::test::run(argc, argv) != 0 ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return failed;
}
