// What helpers do with staged bytes, from staged to durable, next to the plainest way to write the same bytes durably,
// which takes turns with it. Every rank is a writer. Every save is in the place of the one before it (recycled) or in
// new space.
#include <benchmark/benchmark.h>
#include <mpi.h>

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "measure.hpp"
#include "mpi_main.hpp"
#include "raw_write.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/write/hdf5_file.hpp"

namespace holdfast::benchmarks {
namespace {

int world(int (*ask)(MPI_Comm, int*)) {
  int number = 0;
  ask(MPI_COMM_WORLD, &number);
  return number;
}

/// This writer's part of `count` tensors of `bytes` each, which the writers share: each part at a page as in an arena.
struct State {
  State(std::uint64_t count, std::uint64_t bytes)
      : part(bytes / static_cast<std::uint64_t>(world(MPI_Comm_size))), memory(count * part) {
    const int rank = world(MPI_Comm_rank);
    const Box box{{part * static_cast<std::uint64_t>(rank)}, {part}};
    for (std::uint64_t i = 0; i < count; ++i) {
      datasets.push_back({"layer" + std::to_string(i), plan::DatasetKind::tensor, DType::u8, {bytes}});
      request.chunks.push_back({static_cast<std::uint32_t>(i), box, rank, memory.bytes().subspan(i * part, part)});
    }
    request.plan = 1;
    request.world_size = world(MPI_Comm_size);
    request.datasets = datasets;
  }
  std::uint64_t part;
  ArenaMemory memory;
  std::vector<plan::Dataset> datasets;
  storage::SaveRequest request;
};

struct Way {
  const char* name;
  Engine engine;
  bool recycle;
};
constexpr Way ways[] = {{"direct_new", Engine::direct, false},
                        {"direct_recycled", Engine::direct, true},
                        {"mpi_io_new", Engine::mpi_io, false},
                        {"mpi_io_recycled", Engine::mpi_io, true}};

/// The plainest durable write: by the same system's means, of the same bytes, each writer's after that of the one
/// before, into a file of its own: over what is there, or into a new one that then takes its place.
double write_plainly(const Way& way, const std::filesystem::path& path, std::span<const std::byte> bytes) {
  const std::uint64_t offset = bytes.size() * static_cast<std::uint64_t>(world(MPI_Comm_rank));
  const std::filesystem::path target = way.recycle ? path.string() : path.string() + ".new";
  MPI_Barrier(MPI_COMM_WORLD);
  const Stopwatch watch;
  if (way.engine == Engine::direct)
    write_by_io_uring(target, offset, bytes);
  else
    write_by_mpi_io(target, offset, bytes);
  const double seconds = slowest(watch.seconds());
  if (!way.recycle && world(MPI_Comm_rank) == 0) std::filesystem::rename(target, path);
  return seconds;
}

void durable(benchmark::State& state, const Way& way) {
  State content(static_cast<std::uint64_t>(state.range(0)), static_cast<std::uint64_t>(state.range(1)) << 10);
  const std::filesystem::path directory = shared_directory() / "storage", plain = shared_directory() / "plain";
  auto comm = mpi::Communicator::duplicate(MPI_COMM_WORLD).asleep();  // as helpers wait
  {
    storage::CheckpointStore store(comm, storage::make_posix_filesystem(),
                                   storage::make_checkpoint_file(comm, {.engine = way.engine}),
                                   {.directory = directory,
                                    .keep_last = 1,
                                    .nonce = "bench",
                                    .holder = "storage_bench",
                                    .recycle_files = way.recycle});
    const auto save = [&] {
      ++content.request.step;
      comm.barrier();  // until writer 0 has removed what the save before replaced, which belongs to no save's time
      return store.save(content.request);
    };
    for (int i = 0; i < 3; ++i) save();  // the third is the first one that takes an older one's space
    write_plainly(way, plain, content.memory.bytes());
    std::vector<double> saved_s, plain_s, ratios, fsync_s;
    for (auto _ : state) {
      const bool save_first = saved_s.size() % 2 == 0;
      if (!save_first) plain_s.push_back(write_plainly(way, plain, content.memory.bytes()));
      const storage::SaveResult result = save();
      saved_s.push_back(result.total_s);
      if (save_first) plain_s.push_back(write_plainly(way, plain, content.memory.bytes()));
      fsync_s.push_back(result.fsync_s);
      ratios.push_back(plain_s.back() / saved_s.back());  // of throughputs
      state.SetIterationTime(saved_s.back());
    }
    const std::uint64_t all_bytes = content.memory.bytes().size() * static_cast<std::uint64_t>(comm.size());
    const auto bytes = static_cast<double>(all_bytes);
    state.counters["ranks"] = comm.size();
    state.counters["save_GB_s"] = bytes / median(saved_s) * 1e-9;
    state.counters["plain_GB_s"] = bytes / median(plain_s) * 1e-9;
    state.counters["fsync_ms"] = median(fsync_s) * 1e3;
    state.counters["ratio"] = median(ratios);
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * all_bytes));
  }
  comm.free();
  if (world(MPI_Comm_rank) == 0) std::filesystem::remove(plain);
}

const int registered = [] {
  for (const Way& way : ways)
    benchmark::RegisterBenchmark((std::string("durable/") + way.name).c_str(),
                                 [&way](benchmark::State& state) { durable(state, way); })
        ->ArgNames({"tensors", "KiB_each"})
        ->Args({16, 64 << 10})
        ->Args({64, 64 << 10})
        ->Iterations(20)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  return 0;
}();

}  // namespace
}  // namespace holdfast::benchmarks
