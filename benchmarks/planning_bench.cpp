// What async_save does before it copies, where nothing has changed since the last one, next to one MPI_Allreduce of 16
// bytes: each the slowest rank's, in turns, after the same computing. Under mpirun, with any number of ranks, all on
// one machine.
#include <benchmark/benchmark.h>
#include <mpi.h>

#include <array>
#include <cstdint>
#include <holdfast/checkpointer.hpp>
#include <string>
#include <vector>

#include "measure.hpp"
#include "mpi_main.hpp"
#include "plan/build_plan.hpp"
#include "plan/local.hpp"
#include "simulated_plan.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr int warm_up_saves = 3;

const mpi::Communicator& communicator() {
  static const mpi::Communicator world = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  return world;
}

/// As many tensors as wanted, of 8 bytes per rank, and the values that a program has beside them.
class Planned {
 public:
  explicit Planned(std::int64_t tensors)
      : checkpointer_(MPI_COMM_WORLD, {.directory = shared_directory() / std::to_string(tensors), .keep_last = 1}) {
    int rank = 0, ranks = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    const auto r = static_cast<std::uint64_t>(rank), all = static_cast<std::uint64_t>(ranks);
    for (std::int64_t i = 0; i < tensors; ++i)
      state_.add("model/layers/" + std::to_string(i) + "/weight",
                 shard(memory_.data(), DType::f32, {.global = {2 * all}, .offset = {2 * r}, .extent = {2}}));
    state_.add("epoch", step_);
    state_.add("rate", rate_);
    state_.add_per_rank("random", random_);
  }

  double allreduce_s() {
    std::array<std::int64_t, 2> numbers{step_, -step_};
    rest();
    const double start = now_s();
    MPI_Allreduce(MPI_IN_PLACE, numbers.data(), 2, MPI_INT64_T, MPI_MIN, MPI_COMM_WORLD);
    return slowest(now_s() - start);
  }

  double plan_s() {
    rest();
    ++step_;
    const SaveStats stats = checkpointer_.async_save(step_, state_).wait();
    if (step_ > 1 && !stats.plan_cached) MPI_Abort(MPI_COMM_WORLD, 1);  // not what is to be measured
    return slowest(stats.plan_s);
  }

  void close() { checkpointer_.close(); }

 private:
  /// A training step, which leaves nothing of what is measured in the caches of the core. All ranks end it at the same
  /// moment, by the clock that they share.
  void rest() {
    const double end_s = slowest(now_s()) + step_s;
    for (double& number : computing_) number = number * 0.999 + 0.001;
    benchmark::DoNotOptimize(computing_.data());
    while (now_s() < end_s) {
    }
  }

  static constexpr double step_s = 10e-3;
  static constexpr std::size_t computed_bytes = 16 << 20;  ///< more than a core has to itself

  std::vector<float> memory_ = std::vector<float>(2);
  std::vector<double> computing_ = std::vector<double>(computed_bytes / sizeof(double), 1.0);
  std::int64_t step_ = 0;
  double rate_ = 0.1;
  std::vector<std::uint64_t> random_ = std::vector<std::uint64_t>(4);
  Checkpointer checkpointer_;
  StateDict state_;
};

void unchanged(benchmark::State& state) {
  Planned planned(state.range(0));
  const double first_s = planned.plan_s();
  for (int i = 1; i < warm_up_saves; ++i) planned.plan_s();
  std::vector<double> plans, allreduces, ratios;
  for (auto _ : state) {
    const bool plan_first = plans.size() % 2 == 0;
    if (plan_first) plans.push_back(planned.plan_s());
    allreduces.push_back(planned.allreduce_s());
    if (!plan_first) plans.push_back(planned.plan_s());
    ratios.push_back(plans.back() / allreduces.back());
    state.SetIterationTime(plans.back());
  }
  planned.close();
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  state.counters["ranks"] = ranks;
  state.counters["ratio"] = median(ratios);
  state.counters["plan_us"] = median(plans) * 1e6;
  state.counters["allreduce_us"] = median(allreduces) * 1e6;
  state.counters["first_plan_us"] = first_s * 1e6;
}
BENCHMARK(unchanged)->ArgName("tensors")->Arg(1)->Arg(16)->Arg(1000)->Arg(10000)->Iterations(60)->UseManualTime()->Unit(
    benchmark::kMicrosecond);

/// A new plan of 1,000 shards per rank, carried out, for comparison with plan_bench's first_plan: the slowest rank's
/// time, that of the same rounds of messages with nothing in them, and what the simulation has for a rank's work
/// between them.
void first_plan(benchmark::State& state, const Workload& workload) {
  const mpi::Communicator& world = communicator();
  const Job job(workload, world.size(), 1000);
  plan::LocalPlan local;
  local.items = job.items(world.rank());
  const auto side = static_cast<int>(world.size() % state.range(0) == 0 ? state.range(0) : 1);
  const std::vector<int> sides =
      side == 1 ? std::vector<int>{world.size()} : std::vector<int>{side, world.size() / side};
  constexpr int rounds = 3;  // of messages over the grid, in exchange.cpp
  mpi::Grid grid(world, sides);
  std::vector<double> seconds, empty;
  for (auto _ : state) {
    MPI_Barrier(MPI_COMM_WORLD);
    double start = now_s();
    mpi::LocalWork work;
    static_cast<void>(plan::build_plan(grid, local, 1, work));
    seconds.push_back(slowest(now_s() - start));
    MPI_Barrier(MPI_COMM_WORLD);
    start = now_s();
    for (int round = 0; round < rounds; ++round) static_cast<void>(grid.deliver({}));
    empty.push_back(slowest(now_s() - start));
    state.SetIterationTime(seconds.back());
  }
  grid.free();
  state.counters["ranks"] = world.size();
  state.counters["plan_us"] = median(seconds) * 1e6;
  state.counters["empty_rounds_us"] = median(empty) * 1e6;
  if (world.rank() == 0) state.counters["compute_us"] = simulate(job, sides).typical.compute_s * 1e6;
}
BENCHMARK_CAPTURE(first_plan, stages, stages)
    ->ArgName("first_side")
    ->Arg(1)
    ->Arg(2)
    ->Iterations(10)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace holdfast::benchmarks
