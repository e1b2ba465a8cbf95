// What a tensor that grows a little at every save costs (particles, adaptive meshes): its saves in turns with those of
// one that has a fixed size.
#include <benchmark/benchmark.h>
#include <mpi.h>

#include <holdfast/checkpointer.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "measure.hpp"
#include "mpi_main.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr int saves = 100;
constexpr std::uint64_t first_bytes = 64 << 20;

std::uint64_t bytes_of(int save, bool grows) {
  std::uint64_t bytes = first_bytes;
  for (int i = 0; grows && i < save; ++i) bytes += bytes / 1000;
  return bytes / 64 * 64;
}

/// Each rank has a tensor of its own. Seconds blocked, of the slowest rank.
double blocked_s(Checkpointer& checkpointer, int save, std::byte* memory, std::uint64_t bytes) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  StateDict state;
  state.add("particles" + std::to_string(rank),
            shard(memory, DType::u8, {.global = {bytes}, .offset = {0}, .extent = {bytes}}));
  MPI_Barrier(MPI_COMM_WORLD);
  return slowest(checkpointer.async_save(save, state).wait().blocked_s);
}

/// The first saves, which make plans and arenas, are counted: they are what growth may cost.
void growing(benchmark::State& state) {
  std::vector<std::byte> memory(bytes_of(saves, true), std::byte{1});
  Checkpointer of_fixed(MPI_COMM_WORLD, {.directory = shared_directory() / "fixed", .keep_last = 1});
  Checkpointer of_growing(MPI_COMM_WORLD, {.directory = shared_directory() / "growing", .keep_last = 1});
  std::vector<double> fixed_s, growing_s;
  for (auto _ : state) {
    const auto save = static_cast<int>(fixed_s.size());
    fixed_s.push_back(blocked_s(of_fixed, save, memory.data(), bytes_of(save, false)));
    growing_s.push_back(blocked_s(of_growing, save, memory.data(), bytes_of(save, true)));
    state.SetIterationTime(growing_s.back());
  }
  of_fixed.close();
  of_growing.close();
  const auto sum = [](const std::vector<double>& seconds) { return std::reduce(seconds.begin(), seconds.end()); };
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  state.counters["ranks"] = ranks;
  state.counters["median_ratio"] = median(growing_s) / median(fixed_s);
  state.counters["median_ms"] = median(growing_s) * 1e3;
  state.counters["median_fixed_ms"] = median(fixed_s) * 1e3;
  state.counters["sum_ratio"] = sum(growing_s) / sum(fixed_s);
  state.counters["sum_ms"] = sum(growing_s) * 1e3;
  state.counters["sum_fixed_ms"] = sum(fixed_s) * 1e3;
}
BENCHMARK(growing)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(saves);

}  // namespace
}  // namespace holdfast::benchmarks
