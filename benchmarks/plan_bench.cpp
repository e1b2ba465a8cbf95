// Planning without communication: what a save does where nothing has changed, a rank's own plan, and what a new
// one, and the tables of a load, cost a rank of a job that no machine at hand could run.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <holdfast/state_dict.hpp>
#include <span>
#include <string>
#include <vector>

#include "plan/local.hpp"
#include "simulated_plan.hpp"
#include "storage/format/tables.hpp"
#include "wrap/mpi_grid.hpp"

namespace {

using namespace holdfast;

/// `count` tensors, split by rows over `ranks`; nothing reads the memory.
StateDict state_of(std::uint64_t count, std::uint64_t rank, std::uint64_t ranks) {
  static std::vector<float> memory(64 * 64);
  StateDict state;
  for (std::uint64_t i = 0; i < count; ++i)
    state.add(
        "model/layers/" + std::to_string(i) + "/weight",
        shard(memory.data(), DType::f32, {.global = {64 * ranks, 64}, .offset = {64 * rank, 0}, .extent = {64, 64}}));
  return state;
}

void local_plan(benchmark::State& state) {
  const StateDict dict = state_of(static_cast<std::uint64_t>(state.range(0)), 0, 2);
  for (auto _ : state) benchmark::DoNotOptimize(plan::make_local_plan(dict));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(local_plan)->ArgName("tensors")->Arg(100)->Arg(1000)->Arg(10000)->Unit(benchmark::kMicrosecond);

void unchanged_plan(benchmark::State& state) {
  const StateDict dict = state_of(static_cast<std::uint64_t>(state.range(0)), 0, 2);
  plan::LocalPlan plan = plan::make_local_plan(dict);
  for (auto _ : state) {
    plan::update(plan, dict);
    benchmark::DoNotOptimize(plan);
  }
}
BENCHMARK(unchanged_plan)->ArgName("tensors")->Arg(100)->Arg(1000)->Arg(10000)->Unit(benchmark::kMicrosecond);

/// Time: what the plan costs a typical rank, computed as measured here, and messages as modelled.
void first_plan(benchmark::State& state, const benchmarks::Workload& workload) {
  const auto ranks = static_cast<int>(state.range(0));
  constexpr int shards = 1000;
  const std::vector<int> sides = mpi::Grid::best_sides(ranks);
  benchmarks::SimulatedPlan plan;
  double grid_s = 0;
  for (auto _ : state) {
    plan = simulate(benchmarks::Job(workload, ranks, shards), sides);
    grid_s = messages_s(plan, sides, {});
    state.SetIterationTime(plan.typical.compute_s + grid_s);
  }
  state.counters["compute_us"] = plan.typical.compute_s * 1e6;
  state.counters["messages_us"] = grid_s * 1e6;
  state.counters["messages_in_one_hop_us"] = messages_s(plan, {ranks}, {}) * 1e6;
  state.counters["heaviest_compute_us"] = plan.heaviest.compute_s * 1e6;
  state.counters["mean_items"] = plan.mean_items;
  state.counters["heaviest_items"] = static_cast<double>(plan.heaviest.items);
  state.counters["heaviest_holders"] = static_cast<double>(plan.heaviest.holders);
  state.counters["heaviest_bytes"] = static_cast<double>(plan.heaviest.bytes_received);
  state.counters["typical_bytes"] = static_cast<double>(plan.typical.bytes_received);
  state.counters["most_names"] = static_cast<double>(plan.most_names);
}

/// The same for few ranks and for many, in turns, so that what slows the machine down slows both down.
void first_plan_growth(benchmark::State& state, const benchmarks::Workload& workload) {
  struct Size {
    explicit Size(const benchmarks::Workload& workload, int ranks)
        : sides(mpi::Grid::best_sides(ranks)), simulation(benchmarks::Job(workload, ranks, 1000), sides) {}
    [[nodiscard]] double compute_s() const { return simulation.plan().typical.compute_s; }
    [[nodiscard]] double messages_s() const { return benchmarks::messages_s(simulation.plan(), sides, {}); }

    std::vector<int> sides;
    benchmarks::Simulation simulation;
  };
  Size few(workload, 1024), many(workload, 16384);
  for (auto _ : state) {
    few.simulation.run();
    many.simulation.run();
  }
  const double few_s = few.compute_s() + few.messages_s(), many_s = many.compute_s() + many.messages_s();
  state.counters["few_us"] = few_s * 1e6;
  state.counters["few_compute_us"] = few.compute_s() * 1e6;
  state.counters["many_us"] = many_s * 1e6;
  state.counters["many_compute_us"] = many.compute_s() * 1e6;
  state.counters["ratio"] = many_s / few_s;
}

/// The chunk tables of a checkpoint that many ranks saved, 8 to a node, as they lie in the page cache: what a load
/// costs each rank before it knows what to read. Tensors of 128 rows, cut over the ranks of a stage.
void load_tables(benchmark::State& state) {
  constexpr std::uint64_t stage_ranks = 128, tensors = 1000, node_ranks = 8, columns = 64;
  const auto ranks = static_cast<std::uint64_t>(state.range(0));
  const std::vector<plan::Dataset> datasets(ranks / stage_ranks * tensors,
                                            {"", plan::DatasetKind::tensor, DType::f32, {stage_ranks, columns}});
  const auto box_of = [](std::uint64_t rank) { return Box{{rank % stage_ranks, 0}, {1, columns}}; };
  storage::Index index;
  storage::Segment all;
  std::vector<storage::PartRow> parts;
  for (std::uint64_t first = 0; first < ranks; first += node_ranks) {
    std::vector<storage::ChunkRecord> chunks;
    for (std::uint64_t rank = first; rank < first + node_ranks; ++rank)
      for (std::uint64_t tensor = 0; tensor < tensors; ++tensor)
        chunks.push_back(
            {static_cast<std::uint32_t>(rank / stage_ranks * tensors + tensor), static_cast<int>(rank), box_of(rank)});
    const storage::Segment segment = storage::make_segment(std::move(chunks), all.boxes.size());
    parts.push_back(segment.part());
    all.chunks.insert(all.chunks.end(), segment.chunks.begin(), segment.chunks.end());
    all.boxes.insert(all.boxes.end(), segment.boxes.begin(), segment.boxes.end());
  }
  index.parts = storage::make_parts(std::move(parts), index.definitions.checksum());
  storage::Interests interests(datasets.size());
  const Box box = box_of(1);
  const BoxIndex wanted({&box});
  for (std::uint64_t tensor = 0; tensor < tensors; ++tensor) interests[tensor] = {.boxes = &wanted};
  const auto read = [&](const storage::RowPlace& place, storage::Segment& segment) {
    std::copy_n(all.chunks.begin() + static_cast<std::ptrdiff_t>(place.chunk), segment.chunks.size(),
                segment.chunks.begin());
    std::copy_n(all.boxes.begin() + static_cast<std::ptrdiff_t>(place.box), segment.boxes.size(),
                segment.boxes.begin());
  };
  std::size_t kept = 0;
  for (auto _ : state) kept = storage::read_chunks(index, read, datasets, interests).size();
  const std::size_t bytes = std::as_bytes(std::span(all.chunks)).size() + std::as_bytes(std::span(all.boxes)).size();
  state.counters["kept_rows"] = static_cast<double>(kept);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * all.chunks.size()));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes));
}
BENCHMARK(load_tables)->ArgName("ranks")->Arg(1024)->Arg(16384)->Unit(benchmark::kMillisecond);

[[maybe_unused]] const bool registered = [] {
  for (const benchmarks::Workload& workload :
       {benchmarks::stages, benchmarks::cut_over_all, benchmarks::on_all_alike}) {
    benchmark::RegisterBenchmark((std::string("first_plan_growth/") + workload.name).c_str(),
                                 [workload](benchmark::State& state) { first_plan_growth(state, workload); })
        ->Iterations(100)
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark((std::string("first_plan/") + workload.name).c_str(),
                                 [workload](benchmark::State& state) { first_plan(state, workload); })
        ->ArgName("ranks")
        ->Arg(128)
        ->Arg(1024)
        ->Arg(4096)
        ->Arg(16384)
        ->Arg(102400)
        ->Iterations(1)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  }
  return true;
}();

}  // namespace
