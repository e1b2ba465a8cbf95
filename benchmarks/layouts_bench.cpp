// What other layouts of the same bytes cost: several boxes of a tensor next to as many tensors, a block-cyclic matrix
// next to one that is cut by rows, a tensor that is stored as another type next to one that is not.
#include <benchmark/benchmark.h>
#include <mpi.h>

#include <functional>
#include <holdfast/checkpointer.hpp>
#include <string>
#include <utility>
#include <vector>

#include "measure.hpp"
#include "mpi_main.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr std::uint64_t all_bytes = 64'000'000;    ///< of each rank
constexpr std::uint64_t order = 4096, block = 64;  ///< of the matrix, and of its blocks of f64

struct World {
  std::uint64_t rank = 0, ranks = 1;
};

World world() {
  int rank = 0, ranks = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  return {static_cast<std::uint64_t>(rank), static_cast<std::uint64_t>(ranks)};
}

/// One tensor of all ranks, in `count` boxes on each.
StateDict boxes(std::byte* memory, std::uint64_t count) {
  const auto [rank, ranks] = world();
  const std::uint64_t bytes = all_bytes / count;
  StateDict state;
  for (std::uint64_t i = 0; i < count; ++i)
    state.add("tensor",
              shard(memory + i * bytes, DType::u8,
                    {.global = {all_bytes * ranks}, .offset = {(i * ranks + rank) * bytes}, .extent = {bytes}}));
  return state;
}

/// As many tensors of the same size, each in one box on each rank.
StateDict tensors(std::byte* memory, std::uint64_t count) {
  const auto [rank, ranks] = world();
  const std::uint64_t bytes = all_bytes / count;
  StateDict state;
  for (std::uint64_t i = 0; i < count; ++i)
    state.add(
        "tensor" + std::to_string(i),
        shard(memory + i * bytes, DType::u8, {.global = {bytes * ranks}, .offset = {rank * bytes}, .extent = {bytes}}));
  return state;
}

/// A matrix whose columns of blocks go to the ranks in turn, so that runs in the file have 512 bytes.
StateDict block_cyclic(std::byte* memory) {
  const auto [rank, ranks] = world();
  StateDict state;
  for (std::uint64_t row = 0; row < order; row += block)
    for (std::uint64_t column = rank * block; column < order; column += ranks * block, memory += block * block * 8)
      state.add("matrix", shard(memory, DType::f64,
                                {.global = {order, order}, .offset = {row, column}, .extent = {block, block}}));
  return state;
}

StateDict by_rows(std::byte* memory) {
  const auto [rank, ranks] = world();
  const std::uint64_t first = order * rank / ranks, end = order * (rank + 1) / ranks;
  StateDict state;
  state.add("matrix", shard(memory, DType::f64,
                            {.global = {order, order}, .offset = {first, 0}, .extent = {end - first, order}}));
  return state;
}

struct Times {
  std::vector<double> blocked_s, commit_s, load_s;
};

/// One save, and what it took on the slowest rank; then one load.
void save_and_load(Checkpointer& checkpointer, StateDict& state, std::int64_t step, Times& times) {
  MPI_Barrier(MPI_COMM_WORLD);
  const SaveStats stats = checkpointer.async_save(step, state).wait();
  times.blocked_s.push_back(slowest(stats.blocked_s));
  times.commit_s.push_back(slowest(stats.commit_s));
  times.load_s.push_back(slowest(checkpointer.load(state).seconds));
}

void compare(benchmark::State& state, StateDict one, StateDict other, int ranks_per_helper) {
  Checkpointer of_one(MPI_COMM_WORLD,
                      {.directory = shared_directory() / "one", .keep_last = 1, .ranks_per_helper = ranks_per_helper});
  Checkpointer of_other(
      MPI_COMM_WORLD,
      {.directory = shared_directory() / "other", .keep_last = 1, .ranks_per_helper = ranks_per_helper});
  Times one_times, other_times, first;
  save_and_load(of_one, one, 1, first);
  save_and_load(of_other, other, 1, first);
  std::int64_t step = 1;
  for (auto _ : state) {
    save_and_load(of_one, one, ++step, one_times);
    save_and_load(of_other, other, step, other_times);
    state.SetIterationTime(one_times.commit_s.back());
  }
  of_one.close();
  of_other.close();
  const auto report = [&](const std::string& what, const std::vector<double>& one_s,
                          const std::vector<double>& other_s) {
    state.counters[what + "_ratio"] = median(one_s) / median(other_s);
    state.counters[what + "_ms"] = median(one_s) * 1e3;
    state.counters[what + "_other_ms"] = median(other_s) * 1e3;
  };
  report("blocked", one_times.blocked_s, other_times.blocked_s);
  report("commit", one_times.commit_s, other_times.commit_s);
  report("load", one_times.load_s, other_times.load_s);
  state.counters["first_blocked_ratio"] = first.blocked_s[0] / first.blocked_s[1];
  state.counters["ranks"] = static_cast<double>(world().ranks);
}

void boxes_and_tensors(benchmark::State& state) {
  const auto count = static_cast<std::uint64_t>(state.range(0));
  std::vector<std::byte> memory(all_bytes, std::byte{1});
  compare(state, boxes(memory.data(), count), tensors(memory.data(), count), 0);
}
BENCHMARK(boxes_and_tensors)
    ->ArgName("boxes")
    ->Arg(1)
    ->Arg(100)
    ->Arg(10000)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(7);

void block_cyclic_and_rows(benchmark::State& state) {
  std::vector<std::byte> memory(order * order * 8, std::byte{1});
  compare(state, block_cyclic(memory.data()), by_rows(memory.data()), static_cast<int>(state.range(0)));
}
BENCHMARK(block_cyclic_and_rows)
    ->ArgName("ranks_per_helper")
    ->Arg(0)
    ->Arg(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(7);

/// f32 in memory and bf16 in the file.
void stored_as_bf16(benchmark::State& state) {
  const auto [rank, ranks] = world();
  constexpr std::uint64_t count = all_bytes / sizeof(float);
  std::vector<float> memory(count, 1);
  const Shard box{.global = {count * ranks}, .offset = {count * rank}, .extent = {count}};
  StateDict converted, plain;
  converted.add("tensor", stored_as(shard(memory, box), DType::bf16));
  plain.add("tensor", shard(memory, box));
  compare(state, std::move(converted), std::move(plain), 0);
}
BENCHMARK(stored_as_bf16)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(7);

}  // namespace
}  // namespace holdfast::benchmarks
