// Copies by each way, and by the one that is chosen, in turns: from a program's memory to an arena, and from blocks of
// a file to tensors. Source and target are outside the caches: each copy takes the next part of buffers of twice the
// last cache or more.
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/stream_copy.hpp"
#include "base/threads.hpp"
#include "measure.hpp"
#include "stage/host_stager.hpp"
#include "wrap/large_pages.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr std::uint64_t mebibyte = 1 << 20;
/// In a round, small copies are made several times, each elsewhere.
constexpr std::uint64_t bytes_of_round = 256 * mebibyte;

std::uint64_t last_cache_bytes() {
  const long bytes = std::max(sysconf(_SC_LEVEL3_CACHE_SIZE), sysconf(_SC_LEVEL2_CACHE_SIZE));
  return bytes > 0 ? static_cast<std::uint64_t>(bytes) : 64 * mebibyte;
}

/// Like an arena: shared, on large pages where the system does that.
Pages shared_pages(std::uint64_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  Pages pages = Pages::view({static_cast<std::byte*>(memory), bytes});
  munmap(memory, bytes);
  if (!pages) throw std::bad_alloc();
  lay_on_large_pages(pages.bytes());
  return pages;
}

struct Kind {
  const char* name;
  void (*copy)(std::byte* to, std::byte* from, std::uint64_t bytes, int threads);
};

void host_to_arena(std::byte* to, std::byte* from, std::uint64_t bytes, int threads) {
  const stage::Copy copy{{from, {bytes}, {1}, 1}, to};
  stage::HostStager(threads).stage(std::span(&copy, 1));
}

/// With 2 MiB, as a load that goes around the page cache.
template <std::uint64_t block>
void in_blocks(std::byte* to, std::byte* from, std::uint64_t bytes, int threads) {
  std::atomic<std::uint64_t> next = 0;
  run_in_threads(threads, [&] {
    for (std::uint64_t at = next.fetch_add(block); at < bytes; at = next.fetch_add(block))
      stream_copy(to + at, from + at, block);
  });
}

constexpr Kind kinds[] = {{"host_to_arena", host_to_arena}, {"block_to_tensor", in_blocks<2 * mebibyte>}};
/// Reported without a goal.
constexpr Kind small_kinds[] = {{"runs_of_32KiB", in_blocks<mebibyte / 32>},
                                {"runs_of_256KiB", in_blocks<mebibyte / 4>}};

class Copies {
 public:
  Copies(const Kind& kind, std::uint64_t bytes, int threads)
      : kind_(kind),
        bytes_(bytes),
        threads_(threads),
        parts_(std::max<std::uint64_t>(1, (2 * last_cache_bytes() + bytes - 1) / bytes)) {
    std::ranges::fill(from_.bytes(), std::byte{1});
    std::ranges::fill(to_.bytes(), std::byte{2});
    std::ranges::fill(other_.bytes(), std::byte{3});
  }

  /// Seconds per copy.
  double next(std::optional<CopyWay> way) {
    empty_caches();
    force_copy(way);
    const auto times = static_cast<int>(std::max<std::uint64_t>(1, bytes_of_round / bytes_));
    const Stopwatch watch;
    for (int i = 0; i < times; ++i) {
      const std::uint64_t at = part_++ % parts_ * bytes_;
      kind_.copy(to_.data() + at, from_.data() + at, bytes_, threads_);
    }
    const double seconds = watch.seconds();
    force_copy(std::nullopt);
    return seconds / times;
  }

 private:
  /// Of what the copy before has left there to be written.
  void empty_caches() {
    unsigned sum = 0;
    for (std::uint64_t at = 0; at < other_.bytes().size(); at += cache_line_bytes)
      sum += std::to_integer<unsigned>(other_.data()[at]);
    benchmark::DoNotOptimize(sum);
  }

  const Kind& kind_;
  std::uint64_t bytes_;
  int threads_;
  std::uint64_t parts_, part_ = 0;
  Pages from_ = Pages::allocate(parts_ * bytes_), to_ = shared_pages(parts_ * bytes_);
  Pages other_ = Pages::allocate(2 * last_cache_bytes());
};

using Times = std::map<std::optional<CopyWay>, std::vector<double>>;

void report(benchmark::State& state, std::uint64_t bytes, const Times& times) {
  double best_s = 0;
  for (const auto& [way, seconds] : times) {
    const double median_s = median(seconds);
    if (way && (best_s == 0 || median_s < best_s)) best_s = median_s;
    state.counters[(way ? std::string(name_of(*way)) : "chosen") + "_GB_s"] =
        static_cast<double>(bytes) / median_s / 1e9;
  }
  state.counters["chosen_ms"] = median(times.at(std::nullopt)) * 1e3;
  state.counters["best_ms"] = best_s * 1e3;
  state.counters["ratio"] = median(times.at(std::nullopt)) / best_s;
  state.SetLabel(copy_in_words());
}

void copy(benchmark::State& state, const Kind& kind, std::uint64_t bytes, int threads) {
  std::vector<std::optional<CopyWay>> ways(copy_ways().begin(), copy_ways().end());
  ways.push_back(std::nullopt);
  Copies copies(kind, bytes, threads);
  for (const auto& way : ways) copies.next(way);
  Times times;
  for (auto _ : state) {
    double round_s = 0;
    for (const auto& way : ways) round_s += times[way].emplace_back(copies.next(way));
    state.SetIterationTime(round_s);
    std::ranges::rotate(ways, ways.begin() + 1);
  }
  report(state, bytes, times);
}

void add(const Kind& kind, std::uint64_t size, int threads) {
  const std::string name =
      std::string("copy/") + kind.name + "/" + std::to_string(size) + "MiB/" + std::to_string(threads) + "_threads";
  benchmark::RegisterBenchmark(
      name.c_str(), [&kind, size, threads](benchmark::State& state) { copy(state, kind, size * mebibyte, threads); })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->Iterations(size > 1000 ? 9 : 18);
}

[[maybe_unused]] const bool registered = [] {
  for (const Kind& kind : kinds)
    for (const std::uint64_t size : {64, 512, 2048})
      for (const int threads : {1, 2}) add(kind, size, threads);
  for (const Kind& kind : small_kinds) add(kind, 64, 1);
  return true;
}();

}  // namespace
}  // namespace holdfast::benchmarks
