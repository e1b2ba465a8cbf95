// For how long async_save blocks a rank, next to a plain memcpy of the same bytes in the same run.
#include <benchmark/benchmark.h>
#include <mpi.h>

#include <string>
#include <vector>

#include "blocked_saves.hpp"
#include "job.hpp"
#include "measure.hpp"
#include "mpi_main.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr std::uint64_t mebibyte = 1 << 20;
constexpr int warm_up_saves = 3;  // the second one is the first in the other arena

double ratio(const Sample& sample) {
  return sample.blocked_s / sample.memcpy_s;
}

template <class Of>
double median_of(const std::vector<Sample>& samples, Of&& of) {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(of(sample));
  return median(values);
}

/// Of the samples with this order: both orders should say the same.
double median_ratio(const std::vector<Sample>& samples, bool copy_first) {
  std::vector<double> values;
  for (const Sample& sample : samples)
    if (sample.copy_first == copy_first) values.push_back(ratio(sample));
  return median(values);
}

void report(benchmark::State& state, std::uint64_t bytes, const Sample& first, const std::vector<Sample>& samples) {
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const auto all_bytes = static_cast<double>(bytes) * ranks;
  const double blocked_s = median_of(samples, [](const Sample& s) { return s.blocked_s; });
  const double commit_s = median_of(samples, [](const Sample& s) { return s.commit_s; });
  state.counters["ranks"] = ranks;
  state.counters["ratio"] = median_of(samples, ratio);
  state.counters["ratio_copy_first"] = median_ratio(samples, true);
  state.counters["ratio_save_first"] = median_ratio(samples, false);
  state.counters["blocked_ms"] = blocked_s * 1e3;
  state.counters["memcpy_ms"] = median_of(samples, [](const Sample& s) { return s.memcpy_s; }) * 1e3;
  state.counters["first_blocked_ms"] = first.blocked_s * 1e3;
  state.counters["first_ratio"] = ratio(first);
  state.counters["commit_s"] = commit_s;
  state.counters["blocked_bytes_per_s"] =
      benchmark::Counter(all_bytes / blocked_s, benchmark::Counter::kDefaults, benchmark::Counter::kIs1024);
  state.counters["commit_bytes_per_s"] =
      benchmark::Counter(all_bytes / commit_s, benchmark::Counter::kDefaults, benchmark::Counter::kIs1024);
}

/// State, copies and two arenas, of all ranks, on a node that has an eighth to spare.
bool fits(const SaveKind& kind, std::uint64_t bytes) {
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const std::uint64_t needed = bytes * static_cast<std::uint64_t>(ranks) * (kind.control ? 5 : 4);
  return slowest(available_bytes() < needed + needed / 8 ? 1 : 0) == 0;
}

void blocked(benchmark::State& state, const SaveKind& kind, std::uint64_t bytes) {
  if (!fits(kind, bytes)) return state.SkipWithError("too little memory");
  BlockedSaves saves(bytes, kind);
  const Sample first = saves.next();
  for (int i = 1; i < warm_up_saves; ++i) saves.next();
  std::vector<Sample> samples;
  for (auto _ : state) {
    samples.push_back(saves.next());
    state.SetIterationTime(samples.back().blocked_s);
  }
  saves.close();
  report(state, bytes, first, samples);
}

/// The first save after warm_up next to the four after it, each time in a program that has just started its helpers.
void first_after_warm_up(benchmark::State& state, std::uint64_t bytes) {
  std::vector<double> ratios, first_s, later_s;
  for (auto _ : state) {
    BlockedSaves saves(bytes, {"async_save", 0, false, false});
    saves.warm_up();
    first_s.push_back(saves.next().blocked_s);
    std::vector<double> later;
    for (int i = 0; i < 4; ++i) later.push_back(saves.next().blocked_s);
    saves.close();
    later_s.push_back(median(later));
    ratios.push_back(first_s.back() / later_s.back());
    state.SetIterationTime(first_s.back());
  }
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  state.counters["ranks"] = ranks;
  state.counters["first_ratio"] = median(ratios);
  state.counters["first_ms"] = median(first_s) * 1e3;
  state.counters["later_ms"] = median(later_s) * 1e3;
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes));
}

const SaveKind kinds[] = {{"memcpy_control", 1, true, false},
                          {"async_save", 0, false, false},
                          {"async_save_1_thread", 1, false, false},
                          {"async_save_overlapped", 0, false, true}};

[[maybe_unused]] const bool registered = [] {
  for (const SaveKind& kind : kinds)
    for (const std::uint64_t bytes : {64 * mebibyte, 512 * mebibyte, 2048 * mebibyte}) {
      const std::string name = std::string("blocked/") + kind.label + "/" + std::to_string(bytes / mebibyte) + "MiB";
      benchmark::RegisterBenchmark(name.c_str(),
                                   [&kind, bytes](benchmark::State& state) { blocked(state, kind, bytes); })
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond)
          ->Iterations(bytes > 1000 * mebibyte  ? 6
                       : bytes > 100 * mebibyte ? 12
                                                : 40);
    }
  benchmark::RegisterBenchmark("first_after_warm_up/256MiB",
                               [](benchmark::State& state) { first_after_warm_up(state, 256 * mebibyte); })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->Iterations(7);
  return true;
}();

}  // namespace
}  // namespace holdfast::benchmarks
