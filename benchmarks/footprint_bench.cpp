// What Holdfast takes of a node beside time: memory during saves, and the CPU of a helper that has nothing to do. Under
// mpirun, on one node.
#include <benchmark/benchmark.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <holdfast/checkpointer.hpp>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "job.hpp"
#include "measure.hpp"
#include "mpi_main.hpp"
#include "sharded_state.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr std::uint64_t mebibyte = 1 << 20;
constexpr std::uint64_t allowed_more_bytes = 64 * mebibyte;
constexpr std::chrono::milliseconds between_samples(5);
constexpr std::chrono::seconds idle_time(20);

/// Looks again and again, in a thread of its own, at what the processes take together.
class PeakMemory {
 public:
  explicit PeakMemory(std::vector<int> pids)
      : thread_([this, pids = std::move(pids)](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            bytes_ = std::max(bytes_, memory_bytes(pids));
            std::this_thread::sleep_for(between_samples);
          }
        }) {}
  std::uint64_t bytes() {
    thread_.request_stop();
    thread_.join();
    return bytes_;
  }

 private:
  std::uint64_t bytes_ = 0;
  std::jthread thread_;
};

int ranks() {
  int number = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &number);
  return number;
}

Options options_for(std::uint64_t memory_limit_bytes) {
  static int count = 0;
  return {.directory = shared_directory() / std::to_string(count++),
          .keep_last = 1,
          .memory_limit_bytes = memory_limit_bytes};
}

/// What ranks and helpers take more, at most, during 4 saves in a row than when the helpers had started and nothing was
/// planned yet: plan, arenas, and what writing takes.
void node_memory(benchmark::State& state) {
  const std::uint64_t bytes = static_cast<std::uint64_t>(state.range(0)) * mebibyte;
  const auto buffers = static_cast<std::uint64_t>(state.range(1));
  const std::uint64_t staged = bytes * static_cast<std::uint64_t>(ranks());
  ShardedState content(bytes);
  Checkpointer checkpointer(MPI_COMM_WORLD, options_for(staged * buffers + staged / 2));
  std::int64_t step = 0;
  for (auto _ : state) {
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = now_s();
    const std::uint64_t before = memory_bytes(job_processes());
    MPI_Barrier(MPI_COMM_WORLD);
    PeakMemory peak(job_processes());
    for (int i = 0; i < 3; ++i) checkpointer.async_save(++step, content.dict());
    checkpointer.async_save(++step, content.dict()).wait();
    const double grown = static_cast<double>(peak.bytes()) - static_cast<double>(before);
    const double allowed = 1.05 * static_cast<double>(staged * buffers) + static_cast<double>(allowed_more_bytes);
    if (before == 0) state.SkipWithError("/proc/PID/smaps_rollup cannot be read");
    state.counters["grown_MiB"] = grown / mebibyte;
    state.counters["allowed_MiB"] = allowed / mebibyte;
    state.counters["ratio"] = grown / allowed;
    state.counters["ratio_to_staged"] = grown / static_cast<double>(staged * buffers);
    state.SetIterationTime(now_s() - start);
  }
  checkpointer.close();
  state.counters["ranks"] = ranks();
}
BENCHMARK(node_memory)
    ->ArgNames({"MiB", "buffers"})
    ->Args({512, 1})
    ->Args({512, 2})
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

/// Of a core, between a save and nothing for 20 s; the ranks sleep, too.
void idle_cpu(benchmark::State& state) {
  ShardedState content(64 * mebibyte);
  Checkpointer checkpointer(MPI_COMM_WORLD, options_for(0));
  checkpointer.async_save(1, content.dict()).wait();
  MPI_Barrier(MPI_COMM_WORLD);
  const std::vector<int> helpers = job_helpers();
  if (helpers.empty()) state.SkipWithError("no helper is a child of the process that started the ranks: use mpirun");
  for (auto _ : state) {
    const auto used_s = [&] {
      double sum = 0;
      for (const int pid : helpers) sum += cpu_s(pid);
      return sum;
    };
    const double start = now_s(), before_s = used_s();
    std::this_thread::sleep_for(idle_time);
    const double passed_s = now_s() - start;
    state.counters["cpu_ms"] = (used_s() - before_s) * 1e3;
    state.counters["percent_of_a_core"] = 100 * (used_s() - before_s) / passed_s;
    state.SetIterationTime(passed_s);
    MPI_Barrier(MPI_COMM_WORLD);
  }
  checkpointer.close();
  state.counters["ranks"] = ranks();
}
BENCHMARK(idle_cpu)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace holdfast::benchmarks
