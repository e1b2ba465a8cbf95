// What many small tensors cost: 10,000 of 4 KiB and 100 of 8 MiB, next to one tensor of the same bytes.
#include <benchmark/benchmark.h>
#include <mpi.h>

#include <holdfast/checkpointer.hpp>
#include <string>
#include <vector>

#include "measure.hpp"
#include "mpi_main.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr std::uint64_t small_bytes = 4 << 10, small_count = 10000, large_bytes = 8 << 20, large_count = 100;
constexpr std::uint64_t all_bytes = small_bytes * small_count + large_bytes * large_count;

/// Each rank has tensors of its own.
StateDict many_tensors(std::byte* memory) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const std::string prefix = "rank" + std::to_string(rank);
  StateDict state;
  const auto add = [&](const char* name, std::uint64_t i, std::uint64_t bytes) {
    state.add(prefix + name + std::to_string(i),
              shard(memory, DType::u8, {.global = {bytes}, .offset = {0}, .extent = {bytes}}));
    memory += bytes;
  };
  for (std::uint64_t i = 0; i < small_count; ++i) add("/bias", i, small_bytes);
  for (std::uint64_t i = 0; i < large_count; ++i) add("/weight", i, large_bytes);
  return state;
}

StateDict one_tensor(std::byte* memory) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  StateDict state;
  state.add("rank" + std::to_string(rank) + "/all",
            shard(memory, DType::u8, {.global = {all_bytes}, .offset = {0}, .extent = {all_bytes}}));
  return state;
}

struct Times {
  std::vector<double> blocked_s, commit_s, load_s;
};

/// One save, and what it took on the slowest rank; then one load.
void save_and_load(Checkpointer& checkpointer, StateDict& state, std::int64_t step, Times& times) {
  MPI_Barrier(MPI_COMM_WORLD);
  const SaveStats stats = checkpointer.async_save(step, state).wait();
  const double load_s = checkpointer.load(state).seconds;
  double slowest[] = {stats.blocked_s, stats.commit_s, load_s};
  MPI_Allreduce(MPI_IN_PLACE, slowest, 3, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  times.blocked_s.push_back(slowest[0]);
  times.commit_s.push_back(slowest[1]);
  times.load_s.push_back(slowest[2]);
}

void small_tensors(benchmark::State& state) {
  std::vector<std::byte> memory(all_bytes, std::byte{1});
  StateDict many = many_tensors(memory.data()), one = one_tensor(memory.data());
  Checkpointer of_many(MPI_COMM_WORLD, {.directory = shared_directory() / "many", .keep_last = 1});
  Checkpointer of_one(MPI_COMM_WORLD, {.directory = shared_directory() / "one", .keep_last = 1});
  of_many.warm_up(many);
  of_one.warm_up(one);
  Times many_times, one_times, unused;
  save_and_load(of_many, many, 1, unused);
  save_and_load(of_one, one, 1, unused);
  std::int64_t step = 1;
  for (auto _ : state) {
    save_and_load(of_many, many, ++step, many_times);
    save_and_load(of_one, one, step, one_times);
    state.SetIterationTime(many_times.commit_s.back());
  }
  of_many.close();
  of_one.close();
  const auto report = [&](const std::string& what, const std::vector<double>& many_s,
                          const std::vector<double>& one_s) {
    state.counters[what + "_ratio"] = median(many_s) / median(one_s);
    state.counters[what + "_ms"] = median(many_s) * 1e3;
    state.counters[what + "_one_ms"] = median(one_s) * 1e3;
  };
  report("blocked", many_times.blocked_s, one_times.blocked_s);
  report("commit", many_times.commit_s, one_times.commit_s);
  report("load", many_times.load_s, one_times.load_s);
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * all_bytes));
}
BENCHMARK(small_tensors)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(7);

}  // namespace
}  // namespace holdfast::benchmarks
