// How fast load is, next to plain reads of the same bytes at the same places of the same file: read() from the page
// cache, O_DIRECT where nothing of it is there. And how many bytes it reads of those it needs, when other numbers of
// ranks load than saved.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <mpi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <holdfast/checkpointer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_handle.hpp"
#include "load/loader.hpp"
#include "measure.hpp"
#include "mpi_main.hpp"
#include "stage/host_stager.hpp"
#include "storage/directory/catalog.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/read/source.hpp"
#include "storage/write/hdf5_file.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr std::uint64_t tensors = 16, columns = 1024, all_bytes = std::uint64_t{1} << 30;
constexpr std::uint64_t rows = all_bytes / tensors / columns / sizeof(float);
constexpr std::uint64_t page_bytes = 4096;

int world(int (*ask)(MPI_Comm, int*)) {
  int number = 0;
  ask(MPI_COMM_WORLD, &number);
  return number;
}
std::uint64_t rank() {
  return static_cast<std::uint64_t>(world(MPI_Comm_rank));
}
std::uint64_t ranks() {
  return static_cast<std::uint64_t>(world(MPI_Comm_size));
}

enum class Cut : std::size_t { by_rows = 0, by_columns = 1 };

/// Part of a tensor: the one with number `part` of `parts`.
Box box_of(std::uint64_t part, std::uint64_t parts, Cut cut = Cut::by_rows) {
  Box box = whole({rows, columns});
  const auto dimension = static_cast<std::size_t>(cut);
  const std::uint64_t extent = box.extent[dimension], begin = part * extent / parts;
  box.offset[dimension] = begin;
  box.extent[dimension] = (part + 1) * extent / parts - begin;
  return box;
}

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};

/// 1 GiB in 16 tensors, saved by `savers` by rows, and loaded by the ranks of the world.
class LoadedState {
 public:
  explicit LoadedState(std::uint64_t savers, Cut cut = Cut::by_rows)
      : box_(box_of(rank(), ranks(), cut)), bytes_(volume(box_.extent) * sizeof(float)) {
    for (std::uint64_t i = 0; i < tensors; ++i) {
      memory_.emplace_back(static_cast<std::byte*>(std::aligned_alloc(page_bytes, bytes_ + page_bytes)));
      std::fill_n(memory_.back().get(), bytes_ + page_bytes, std::byte{2});
      state_.add(name(i),
                 shard(at(i), DType::f32, {.global = {rows, columns}, .offset = box_.offset, .extent = box_.extent}));
    }
    static_cast<void>(directory());  // collective when first called
    if (rank() == 0) save(savers);
    MPI_Barrier(MPI_COMM_WORLD);
    const auto file_source = storage::open_whole(path());
    const storage::Source& file = *file_source;
    for (std::uint64_t i = 0; i < tensors; ++i)
      addresses_.push_back(file.position_of(file.names().find(name(i)).value()) +
                           rank() * rows / ranks() * columns * sizeof(float));
  }

  /// Seconds of the slowest rank.
  double load(const LoadOptions& options, LoadReport* report = nullptr) {
    return timed([&] {
      const LoadReport done = load::load(comm_, directory(), state_, options, {}, threads_);
      if (report != nullptr) *report = done;
    });
  }
  /// As many bytes, in whole rows.
  double read_plainly(int flags) {
    const FileDescriptor fd(::open(path().c_str(), O_RDONLY | flags));
    return timed([&] {
      for (std::uint64_t i = 0; i < tensors; ++i) {
        // Page-aligned for O_DIRECT; where malloc would put large memory otherwise.
        std::byte* to = flags != 0 ? memory_[i].get() : at(i);
        if (::pread(fd.get(), to, bytes_, static_cast<off_t>(addresses_[i])) != static_cast<ssize_t>(bytes_))
          std::abort();
      }
    });
  }
  /// Collective. Nothing of the file is in the page cache afterwards; false where the system keeps some.
  bool drop_cache() {
    const FileDescriptor fd(::open(path().c_str(), O_RDWR));
    const auto bytes = static_cast<std::size_t>(lseek(fd.get(), 0, SEEK_END));
    fsync(fd.get());
    posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    void* mapping = mmap(nullptr, bytes, PROT_NONE, MAP_SHARED, fd.get(), 0);
    std::vector<unsigned char> pages(bytes / page_bytes + 1);
    mincore(mapping, bytes, pages.data());
    munmap(mapping, bytes);
    std::uint64_t present = 0;
    for (const unsigned char page : pages) present += page & 1U;
    MPI_Allreduce(MPI_IN_PLACE, &present, 1, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD);
    return present * 100 <= pages.size();
  }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_ * tensors; }
  void close() { comm_.free(); }
  void use_threads(int threads) { threads_ = threads; }

 private:
  static std::string name(std::uint64_t i) { return "layer" + std::to_string(i); }
  static std::filesystem::path directory() { return shared_directory() / "load"; }
  static std::filesystem::path path() { return directory() / storage::file_name(1); }
  /// As malloc returns large memory: 16 bytes into a page.
  [[nodiscard]] std::byte* at(std::uint64_t i) const { return memory_[i].get() + 16; }

  double timed(const std::function<void()>& work) {
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = now_s();
    work();
    double seconds = now_s() - start;
    MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return seconds;
  }

  static void save(std::uint64_t savers) {
    auto self = mpi::Communicator::duplicate(MPI_COMM_SELF);
    {
      const std::vector<std::byte> content(all_bytes / tensors, std::byte{1});
      std::vector<plan::Dataset> datasets;
      storage::SaveRequest request{.step = 1, .world_size = static_cast<int>(savers), .datasets = {}, .chunks = {}};
      for (std::uint32_t i = 0; i < tensors; ++i) {
        datasets.push_back({name(i), plan::DatasetKind::tensor, DType::f32, {rows, columns}});
        for (std::uint64_t saver = 0; saver < savers; ++saver) {
          const Box box = box_of(saver, savers);
          request.chunks.push_back(
              {i, box, static_cast<int>(saver), std::span(content).first(volume(box.extent) * sizeof(float))});
        }
      }
      request.datasets = datasets;
      storage::CheckpointStore store(self, storage::make_posix_filesystem(), storage::make_checkpoint_file(self),
                                     {.directory = directory(), .nonce = "bench", .holder = "load_bench"});
      store.save(request);
    }
    self.free();
  }

  Box box_;
  std::uint64_t bytes_;  ///< of a tensor
  std::vector<std::unique_ptr<std::byte, Free>> memory_;
  StateDict state_;
  std::vector<std::uint64_t> addresses_;  ///< of this rank's rows of each tensor
  int threads_ = 1;
  mpi::Communicator comm_ = mpi::Communicator::duplicate(MPI_COMM_WORLD);
};

struct Kind {
  const char* label;
  LoadOptions options;
  int threads;  ///< 0: as many as a Checkpointer takes by default
};
const Kind kinds[] = {{"default", {}, 0},
                      {"one_thread", {}, 1},
                      {"verify_first", {.verify_first = true}, 1},
                      {"unverified", {.verify = false}, 1}};

void speed(benchmark::State& state, const Kind& kind, Cut cut, bool cold) {
  LoadedState content(ranks(), cut);
  const int threads = kind.threads > 0 ? kind.threads : stage::default_stage_threads(static_cast<int>(ranks()));
  content.use_threads(threads);
  const auto prepared = [&] {
    if (cold && !content.drop_cache()) state.SkipWithError("the page cache cannot be emptied of the file");
    MPI_Barrier(MPI_COMM_WORLD);
  };
  const int flags = cold ? O_DIRECT : 0;
  content.read_plainly(0);
  std::vector<double> ratios, load_s, plain_s;
  for (auto _ : state) {
    const bool plain_first = ratios.size() % 2 == 0;
    prepared();
    const double first = plain_first ? content.read_plainly(flags) : content.load(kind.options);
    prepared();
    const double second = plain_first ? content.load(kind.options) : content.read_plainly(flags);
    plain_s.push_back(plain_first ? first : second);
    load_s.push_back(plain_first ? second : first);
    ratios.push_back(plain_s.back() / load_s.back());
    state.SetIterationTime(load_s.back());
  }
  content.close();
  state.counters["ranks"] = static_cast<double>(ranks());
  state.counters["threads"] = threads;
  state.counters["ratio"] = median(ratios);
  state.counters["load_ms"] = median(load_s) * 1e3;
  state.counters["plain_ms"] = median(plain_s) * 1e3;
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * all_bytes));
}

/// Bytes read of those needed, over all ranks.
void bytes_read(benchmark::State& state, std::uint64_t savers, Cut cut) {
  LoadedState content(savers, cut);
  const auto over_needed = [&](const LoadOptions& options) {
    LoadReport report;
    state.SetIterationTime(content.load(options, &report));
    std::uint64_t sums[] = {report.read_bytes, report.bytes};
    MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    return static_cast<double>(sums[0]) / static_cast<double>(sums[1]);
  };
  for (auto _ : state) {
    state.counters["default"] = over_needed({});
    state.counters["verify_first"] = over_needed({.verify_first = true});
    state.counters["unverified"] = over_needed({.verify = false});
  }
  content.close();
  state.counters["ranks"] = static_cast<double>(ranks());
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * all_bytes));
}

[[maybe_unused]] const bool registered = [] {
  const auto register_speed = [](const std::string& label, const Kind& kind, Cut cut) {
    for (const bool cold : {false, true})
      benchmark::RegisterBenchmark(("load/" + std::string(cold ? "cold/" : "warm/") + label).c_str(),
                                   [&kind, cut, cold](benchmark::State& state) { speed(state, kind, cut, cold); })
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond)
          ->Iterations(cold ? 24 : 8);
  };
  for (const Kind& kind : kinds) register_speed(kind.label, kind, Cut::by_rows);
  register_speed("by_columns", kinds[0], Cut::by_columns);
  for (const Cut cut : {Cut::by_rows, Cut::by_columns})
    for (const std::uint64_t savers : {1, 2, 3, 8}) {
      const std::string name = cut == Cut::by_rows ? "load/bytes_read/" : "load/bytes_read_by_columns/";
      benchmark::RegisterBenchmark((name + "saved_by_" + std::to_string(savers)).c_str(),
                                   [savers, cut](benchmark::State& state) { bytes_read(state, savers, cut); })
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond)
          ->Iterations(1);
    }
  return true;
}();

}  // namespace
}  // namespace holdfast::benchmarks
