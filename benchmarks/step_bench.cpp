// How much longer a rank's steps take while its helper writes a save, next to the same steps without one: stretches of
// both take turns in one run. Under mpirun; the goal is for a machine that has a core for the helper, and the label
// says whether it has.
#include <benchmark/benchmark.h>
#include <mpi.h>

#include <holdfast/checkpointer.hpp>
#include <string>
#include <utility>
#include <vector>

#include "job.hpp"
#include "measure.hpp"
#include "mpi_main.hpp"
#include "sharded_state.hpp"
#include "step.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr std::uint64_t mebibyte = 1 << 20;
constexpr int warm_up_saves =
    3;  // the second one is the first in the other arena, the third the first in recycled space

struct Steps {
  std::vector<double> during_s, alone_s;
  /// The first ones after async_save, which find the caches full of the copy: that is staging's doing, not the
  /// helper's.
  std::vector<double> first_s;
};

/// Steps through one save until it is committed, then as many without. The last step of a save, which saw it end, does
/// not count.
void stretch(Checkpointer& checkpointer, StateDict& state, std::int64_t number, Step& step, Steps& steps) {
  MPI_Barrier(MPI_COMM_WORLD);
  const std::size_t before = steps.during_s.size();
  const SaveFuture saving = checkpointer.async_save(number, state);
  steps.first_s.push_back(step.run());
  for (double seconds = step.run(); !saving.ready(); seconds = step.run()) steps.during_s.push_back(seconds);
  saving.wait();  // throws, if the save failed
  MPI_Barrier(MPI_COMM_WORLD);
  for (std::size_t count = steps.during_s.size() - before; count > 0; --count) steps.alone_s.push_back(step.run());
}

/// Of the rank that is worst off.
void report(benchmark::State& state, const Steps& steps) {
  for (const auto& [name, part] : {std::pair("p50", 0.5), std::pair("p99", 0.99)}) {
    const double during_s = quantile(steps.during_s, part), alone_s = quantile(steps.alone_s, part);
    state.counters[std::string(name) + "_ms"] = slowest(during_s) * 1e3;
    state.counters[std::string(name) + "_alone_ms"] = slowest(alone_s) * 1e3;
    state.counters[std::string(name) + "_ratio"] = slowest(during_s / alone_s);
  }
  state.counters["first_step_ms"] = slowest(median(steps.first_s)) * 1e3;
  state.counters["steps"] = static_cast<double>(steps.during_s.size());
}

/// The cores are those that the helper may use; each rank keeps one busy.
void report_cores(benchmark::State& state) {
  const std::vector<int> helpers = job_helpers();
  int ranks = 0, cores = helpers.empty() ? 0 : cores_of(helpers.front());
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  state.counters["ranks"] = ranks;
  state.counters["cores"] = cores;
  state.SetLabel(cores > ranks ? "a core to spare" : "no core to spare");
}

void step_time(benchmark::State& state) {
  ShardedState content(static_cast<std::uint64_t>(state.range(0)) * mebibyte);
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = shared_directory() / "steps", .keep_last = 1});
  checkpointer.warm_up(content.dict());
  report_cores(state);
  Step step;
  Steps steps, unused;
  std::int64_t number = 0;
  while (number < warm_up_saves) stretch(checkpointer, content.dict(), ++number, step, unused);
  for (auto _ : state) {
    const double start = now_s();
    stretch(checkpointer, content.dict(), ++number, step, steps);
    state.SetIterationTime(now_s() - start);
  }
  checkpointer.close();
  if (slowest(steps.during_s.empty() ? 1 : 0) > 0)
    state.SkipWithError("a save is committed before a step is over");
  else
    report(state, steps);
}
BENCHMARK(step_time)->ArgName("MiB")->Arg(1024)->Iterations(10)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace holdfast::benchmarks
