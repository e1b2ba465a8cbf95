// For how long async_save of GPU memory blocks, next to cudaMemcpyAsync of the same bytes into pinned memory in the
// same run, and what a save with overlap_staging costs the stream that computes. What is measured is told in
// docs/gpu.md.
#include <benchmark/benchmark.h>

#include <holdfast/error.hpp>
#include <string>
#include <vector>

#include "gpu_saves.hpp"
#include "measure.hpp"
#include "mpi_main.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr std::uint64_t gibibyte = 1U << 30;

template <class Of>
double median_of(const std::vector<GpuSample>& samples, Of&& of) {
  std::vector<double> values;
  for (const GpuSample& sample : samples) values.push_back(of(sample));
  return median(values);
}

void report(benchmark::State& state, double first_s, std::uint64_t bytes, const std::vector<GpuSample>& samples) {
  const double memcpy_s = median_of(samples, [](const GpuSample& s) { return s.memcpy_s; });
  state.counters["ratio"] = median_of(samples, [](const GpuSample& s) { return s.blocked_s / s.memcpy_s; });
  state.counters["blocked_ms"] = median_of(samples, [](const GpuSample& s) { return s.blocked_s; }) * 1e3;
  state.counters["memcpy_ms"] = memcpy_s * 1e3;
  state.counters["memcpy_bytes_per_s"] = static_cast<double>(bytes) / memcpy_s;
  state.counters["overlap_ms"] = median_of(samples, [](const GpuSample& s) { return s.overlap_s; }) * 1e3;
  state.counters["plan_ms"] = median_of(samples, [](const GpuSample& s) { return s.plan_s; }) * 1e3;
  state.counters["lost_ms"] = median_of(samples, [](const GpuSample& s) { return s.lost_s; }) * 1e3;
  state.counters["lost"] = median_of(samples, [](const GpuSample& s) { return s.lost_s / s.memcpy_s; });
  state.counters["first_blocked_ms"] = first_s * 1e3;
  state.counters["commit_s"] = median_of(samples, [](const GpuSample& s) { return s.commit_s; });
}

void gpu_stage(benchmark::State& state, std::uint64_t bytes, bool many) {
  try {
    GpuSaves saves(bytes, many);
    const double first_s = saves.first();
    saves.next();
    std::vector<GpuSample> samples;
    for (auto _ : state) {
      samples.push_back(saves.next());
      state.SetIterationTime(samples.back().blocked_s);
    }
    saves.close();
    report(state, first_s, bytes, samples);
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
}

[[maybe_unused]] const bool registered = [] {
  for (const std::uint64_t gib : {1, 4, 16})
    for (const bool many : {false, true}) {
      const std::string name =
          "gpu_stage/" + std::string(many ? "1000_tensors" : "1_tensor") + "/" + std::to_string(gib) + "GiB";
      benchmark::RegisterBenchmark(name.c_str(),
                                   [=](benchmark::State& state) { gpu_stage(state, gib * gibibyte, many); })
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond)
          ->Iterations(gib == 1   ? 10
                       : gib == 4 ? 4
                                  : 2);
    }
  return true;
}();

}  // namespace
}  // namespace holdfast::benchmarks
