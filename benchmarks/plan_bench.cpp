// Planning without communication: a rank's own plan, which every save makes, and the merge, which only a new plan needs.
#include <benchmark/benchmark.h>

#include <holdfast/state_dict.hpp>
#include <string>
#include <vector>

#include "plan/local.hpp"
#include "plan/merge.hpp"

namespace {

using namespace holdfast;

/// `count` tensors, split by rows over `ranks`; nothing reads the memory.
StateDict state_of(std::uint64_t count, std::uint64_t rank, std::uint64_t ranks) {
  static std::vector<float> memory(64 * 64);
  StateDict state;
  for (std::uint64_t i = 0; i < count; ++i)
    state.add("model/layers/" + std::to_string(i) + "/weight",
              shard(memory.data(), DType::f32, {.global = {64 * ranks, 64}, .offset = {64 * rank, 0}, .extent = {64, 64}}));
  return state;
}

void local_plan(benchmark::State& state) {
  const StateDict dict = state_of(static_cast<std::uint64_t>(state.range(0)), 0, 2);
  for (auto _ : state) benchmark::DoNotOptimize(plan::make_local_plan(dict));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(local_plan)->ArgName("tensors")->Arg(100)->Arg(1000)->Arg(10000)->Unit(benchmark::kMicrosecond);

void merge_names(benchmark::State& state) {
  const auto count = static_cast<std::uint64_t>(state.range(0)), ranks = static_cast<std::uint64_t>(state.range(1));
  std::vector<plan::RankItem> all;
  for (std::uint64_t rank = 0; rank < ranks; ++rank) {
    const plan::LocalPlan local = plan::make_local_plan(state_of(count, rank, ranks));
    for (std::uint32_t i = 0; i < local.items.size(); ++i) all.push_back({static_cast<int>(rank), i, local.items[i]});
  }
  for (auto _ : state) benchmark::DoNotOptimize(plan::merge(all));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0) * state.range(1));
}
BENCHMARK(merge_names)
    ->ArgNames({"tensors", "ranks"})
    ->ArgsProduct({{100, 1000, 10000}, {2, 16}})
    ->Args({1000, 1000})
    ->Unit(benchmark::kMillisecond);

}  // namespace
