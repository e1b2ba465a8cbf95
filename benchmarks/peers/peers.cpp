// Saves the same state by Holdfast and by the two ways that an MPI program has without it, in turns.
// benchmarks/peers/run starts it under mpirun beside other programs and tells it when: a line "round" is answered by
// one line of JSON, the end of the input ends it. dcp.py speaks the same way.
#include <fmt/format.h>
#include <mpi.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <holdfast/checkpointer.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "measure.hpp"
#include "step.hpp"
#include "synchronous.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr std::size_t most_steps_alone = 100;

/// Times of the slowest rank.
struct Sample {
  const char* way;
  double blocked_s, durable_s, copy_s;
  double step_ratio = 0;  ///< median step while the save is under way, of one without; 0 where there are no such steps
};

class Peers {
 public:
  Peers(std::filesystem::path directory, std::uint64_t bytes)
      : directory_(std::move(directory)),
        state_(bytes),
        copy_(state_.floats(), 0.0f),
        checkpointer_(MPI_COMM_WORLD, {.directory = directory_ / "holdfast", .keep_last = 1}) {
    checkpointer_.warm_up(state_.dict());
  }

  /// Collective. One save in each way; which comes first changes from round to round.
  std::vector<Sample> round() {
    std::vector<Sample> samples;
    for (std::size_t i = 0; i < ways_.size(); ++i) samples.push_back(ways_[(i + rounds_) % ways_.size()]());
    ++rounds_;
    return samples;
  }
  void close() { checkpointer_.close(); }

 private:
  double copy_s() {
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = now_s();
    state_.copy_to(copy_);
    return slowest(now_s() - start);
  }

  Sample save_by_holdfast() {
    Sample sample{.way = "Holdfast async_save", .copy_s = copy_s()};
    std::vector<double> during_s, alone_s;
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = now_s();
    const SaveFuture saving = checkpointer_.async_save(++step_number_, state_.dict());
    sample.blocked_s = slowest(now_s() - start);
    while (!saving.ready()) during_s.push_back(step_.run());
    saving.wait();
    sample.durable_s = slowest(now_s() - start);
    while (alone_s.size() < std::clamp<std::size_t>(during_s.size(), 1, most_steps_alone))
      alone_s.push_back(step_.run());
    if (!during_s.empty()) sample.step_ratio = median(during_s) / median(alone_s);
    sample.step_ratio = slowest(sample.step_ratio);
    return sample;
  }

  /// The file of the round before is gone, as a program that keeps one checkpoint would have it.
  Sample save_synchronously(const char* way, void (*write)(const std::filesystem::path&, const ShardedState&)) {
    const std::filesystem::path path = directory_ / way;
    Sample sample{.way = way, .copy_s = copy_s()};
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0) std::filesystem::remove(path);
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = now_s();
    write(path, state_);
    sample.blocked_s = sample.durable_s = slowest(now_s() - start);
    return sample;
  }

  std::filesystem::path directory_;
  ShardedState state_;
  std::vector<float> copy_;
  Step step_;
  Checkpointer checkpointer_;
  std::int64_t step_number_ = 0;
  std::size_t rounds_ = 0;
  std::vector<std::function<Sample()>> ways_{[this] { return save_by_holdfast(); },
                                             [this] { return save_synchronously("parallel HDF5", write_by_hdf5); },
                                             [this] { return save_synchronously("MPI-IO", write_by_mpi_io); }};
};

/// Collective. Waits, asleep, for rank 0 to be told something.
bool next_command(const mpi::Communicator& comm) {
  std::string command;
  if (comm.rank() == 0) std::getline(std::cin, command);
  bool goes_on = command == "round";
  mpi::broadcast_value(comm, goes_on, 0);
  return goes_on;
}

void print(const std::vector<Sample>& samples) {
  std::string line;
  for (const Sample& s : samples)
    line += fmt::format(R"({}{{"way": "{}", "blocked_s": {}, "durable_s": {}, "copy_s": {}, "step_ratio": {}}})",
                        line.empty() ? "" : ", ", s.way, s.blocked_s, s.durable_s, s.copy_s, s.step_ratio);
  std::cout << '[' << line << ']' << std::endl;
}

void run(const std::filesystem::path& directory, std::uint64_t bytes) {
  auto comm = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  const mpi::Communicator asleep = comm.asleep();
  Peers peers(directory, bytes);
  if (comm.rank() == 0) std::cout << R"({"ready": true})" << std::endl;
  while (next_command(asleep)) {
    const std::vector<Sample> samples = peers.round();
    if (comm.rank() == 0) print(samples);
  }
  peers.close();
  comm.free();
}

}  // namespace
}  // namespace holdfast::benchmarks

int main(int argc, char** argv) {
  CLI::App app("Saves one state by Holdfast, parallel HDF5 and MPI-IO in turns; benchmarks/peers/run starts it.",
               "peers");
  std::string directory;
  std::uint64_t mebibytes = 0;
  app.add_option("--directory", directory, "where checkpoints go")->required();
  app.add_option("--mib", mebibytes, "of state, per rank")->required();
  CLI11_PARSE(app, argc, argv);
  MPI_Init(&argc, &argv);
  try {
    holdfast::benchmarks::run(directory, mebibytes << 20);
  } catch (const std::exception& error) {
    fmt::print(stderr, "peers: {}\n", error.what());
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  MPI_Finalize();
  return 0;
}
