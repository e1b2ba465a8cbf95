// Staging on the host against memcpy: packed tensors and tensors with ghost cells, by 1 thread and by 2.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "stage/host_stager.hpp"

namespace {

using holdfast::StridedMemory;
using holdfast::stage::Copy;

constexpr std::uint64_t columns = 1024;
constexpr std::uint64_t ghosts = 2;

void set_bytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes));
}

void memcpy_packed(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0)) << 20;
  const std::vector<std::byte> from(bytes, std::byte{1});
  std::vector<std::byte> to(bytes);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), bytes);
    benchmark::ClobberMemory();
  }
  set_bytes(state, bytes);
}

/// One tensor of f32 with `columns` columns, whose rows lie `row` elements apart.
void stage_rows(benchmark::State& state, std::uint64_t row) {
  const auto bytes = static_cast<std::size_t>(state.range(0)) << 20;
  const std::uint64_t rows = bytes / (columns * sizeof(float));
  std::vector<float> from(rows * row, 1.0f);
  std::vector<std::byte> to(bytes);
  const StridedMemory memory{reinterpret_cast<std::byte*>(from.data()),
                             {rows, columns},
                             {static_cast<std::int64_t>(row * sizeof(float)), sizeof(float)},
                             sizeof(float)};
  const Copy copy{memory, to.data()};
  holdfast::stage::HostStager stager(static_cast<int>(state.range(1)));
  for (auto _ : state) {
    stager.stage(std::span(&copy, 1));
    benchmark::ClobberMemory();
  }
  set_bytes(state, bytes);
}
void stage_packed(benchmark::State& state) {
  stage_rows(state, columns);
}
void stage_with_ghosts(benchmark::State& state) {
  stage_rows(state, columns + ghosts);
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"MiB", "threads"})->ArgsProduct({{1, 64, 512}, {1, 2}})->UseRealTime();
}
BENCHMARK(memcpy_packed)->ArgName("MiB")->Arg(1)->Arg(64)->Arg(512)->UseRealTime();
BENCHMARK(stage_packed)->Apply(sizes);
BENCHMARK(stage_with_ghosts)->Apply(sizes);

/// Many small tensors: what a call costs beside the bytes.
void stage_small(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  constexpr std::size_t bytes_each = 4096;
  std::vector<std::byte> from(count * bytes_each), to(count * bytes_each);
  std::vector<Copy> copies;
  for (std::size_t i = 0; i < count; ++i)
    copies.push_back({{from.data() + i * bytes_each, {bytes_each}, {1}, 1}, to.data() + i * bytes_each});
  holdfast::stage::HostStager stager(1);
  for (auto _ : state) {
    stager.stage(copies);
    benchmark::ClobberMemory();
  }
  set_bytes(state, from.size());
}
BENCHMARK(stage_small)->ArgName("tensors_of_4KiB")->Arg(1000)->Arg(10000);

}  // namespace
