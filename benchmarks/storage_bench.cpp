// What the helper does with staged bytes: one durable checkpoint after the other by one writer.
#include <benchmark/benchmark.h>
#include <mpi.h>

#include <string>
#include <vector>

#include "mpi_main.hpp"
#include "storage/commit.hpp"
#include "storage/file_engine.hpp"

namespace holdfast::benchmarks {
namespace {

/// `count` tensors of `bytes` each, whole.
struct State {
  State(std::uint64_t count, std::uint64_t bytes) : memory(count * bytes, std::byte{1}) {
    for (std::uint64_t i = 0; i < count; ++i) {
      datasets.push_back({"layer" + std::to_string(i), plan::Kind::tensor, DType::u8, {bytes}});
      request.chunks.push_back({static_cast<std::uint32_t>(i), whole({bytes}), 0, std::span(memory).subspan(i * bytes, bytes)});
    }
    request.world_size = 1;
    request.datasets = datasets;
  }
  std::vector<std::byte> memory;
  std::vector<plan::Dataset> datasets;
  storage::SaveRequest request;
};

void save(benchmark::State& state) {
  State content(static_cast<std::uint64_t>(state.range(0)), static_cast<std::uint64_t>(state.range(1)) << 10);
  auto comm = mpi::Communicator::duplicate(MPI_COMM_SELF);
  {
    storage::CheckpointStore store(
        comm, storage::make_posix_filesystem(), storage::make_file_engine(comm),
        {.directory = shared_directory() / "storage", .keep_last = 1, .nonce = "bench", .holder = "storage_bench"});
    std::vector<double> write_s, fsync_s, total_s;
    for (auto _ : state) {
      ++content.request.step;
      const storage::SaveResult result = store.save(content.request);
      write_s.push_back(result.write_s);
      fsync_s.push_back(result.fsync_s);
      total_s.push_back(result.total_s);
    }
    state.counters["write_ms"] = median(write_s) * 1e3;
    state.counters["fsync_ms"] = median(fsync_s) * 1e3;
    state.counters["total_ms"] = median(total_s) * 1e3;
  }
  comm.free();
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * content.memory.size()));
}
BENCHMARK(save)
    ->ArgNames({"tensors", "KiB_each"})
    ->Args({16, 4 << 10})
    ->Args({16, 32 << 10})
    ->Args({10000, 4})
    ->Iterations(10)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace holdfast::benchmarks
