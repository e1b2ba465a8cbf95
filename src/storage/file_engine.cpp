#include "storage/file_engine.hpp"

#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <future>
#include <utility>

#include "base/checksum.hpp"
#include "base/error_text.hpp"
#include "storage/data_writer.hpp"
#include "storage/direct_file.hpp"
#include "storage/extents.hpp"
#include "storage/hdf5_layout.hpp"
#include "wrap/hdf5.hpp"

namespace holdfast::storage {
namespace {

void check_chunk(const Chunk& chunk, const SaveRequest& request) {
  const auto bad = [&](const std::string& what, const std::string& name) {
    return Error(ErrorCode::internal, what, {.rank = chunk.rank, .host = {}, .path = {}, .tensor = name});
  };
  if (chunk.dataset >= request.datasets.size()) throw bad("a chunk of a dataset that is not there", {});
  const plan::Dataset& dataset = request.datasets[chunk.dataset];
  if (!inside(chunk.box, dataset.global)) throw bad("a chunk outside its dataset: " + to_string(chunk.box), dataset.name);
  if (chunk.bytes.size() != volume(chunk.box.extent) * element_bytes(dataset))
    throw bad("a chunk of the wrong size", dataset.name);
}

std::vector<std::uint64_t> checksums_of(std::span<const Chunk> chunks) {
  std::vector<std::uint64_t> sums(chunks.size());
  std::ranges::transform(chunks, sums.begin(), [](const Chunk& chunk) { return checksum(chunk.bytes); });
  return sums;
}

/// Local file systems whose direct writes are fast. Elsewhere MPI-IO knows better: parallel ones have drivers of their own in
/// it, and NFS does not keep two nodes' writes to one page apart.
bool suits_direct_writes(const std::filesystem::path& path) {
  constexpr std::array<long, 3> known = {0xEF53 /* ext2, 3, 4 */, 0x58465342 /* xfs */, static_cast<long>(0xF2F52010) /* f2fs */};
  struct statfs status {};
  return statfs(path.c_str(), &status) == 0 && std::ranges::find(known, static_cast<long>(status.f_type)) != known.end() &&
         DirectFile::is_possible(path);
}

/// What a program says about MPI-IO is meant.
bool mpi_io_is_wanted(const FileSettings& settings) {
  return !settings.mpi_io_hints.empty() || settings.mpi_io != FileSettings().mpi_io;
}

class Hdf5Engine final : public FileEngine {
 public:
  Hdf5Engine(const mpi::Communicator& comm, FileSettings settings)
      : comm_(comm), wanted_(std::move(settings)), in_force_(wanted_), layouts_(wanted_) {}

  std::uint64_t create(const std::filesystem::path& path, const SaveRequest& request, const std::string& created,
                       Space space) override {
    mpi::all_or_none(comm_,
                     [&] { std::ranges::for_each(request.chunks, [&](const Chunk& chunk) { check_chunk(chunk, request); }); });
    const TableSizes sizes = agree_on_sizes(request);
    Layout layout;
    on_writer_0(
        [&] {
          layout = layouts_.make(path, request, sizes, created, space);
          layout.engine = wanted_.engine;
          if (layout.engine == Engine::automatic)
            layout.engine = suits_direct_writes(path) && !mpi_io_is_wanted(wanted_) ? Engine::direct : Engine::mpi_io;
        },
        path);
    mpi::broadcast_value(comm_, layout, 0);
    addresses_ = std::move(layout.addresses);
    choose(layout.engine);
    records_.clear();
    return layout.file_bytes;
  }

  void write(const std::filesystem::path& path, const SaveRequest& request, std::span<const Chunk> chunks) override {
    const hdf5::Quiet quiet;
    std::future<std::vector<std::uint64_t>> sums;  // computed beside the writing; waits for its thread when it goes
    mpi::all_or_none(comm_, [&] { sums = std::async(std::launch::async, checksums_of, chunks); });
    mpi::all_or_none(comm_, [&] { data_->write(path, request.datasets, chunks, addresses_); });
    in_force_ = data_->settings();
    const std::vector<std::uint64_t> found = sums.get();
    for (std::size_t i = 0; i < found.size(); ++i)
      records_.push_back({chunks[i].dataset, chunks[i].rank, chunks[i].box, found[i]});
  }

  void finish(const std::filesystem::path& path, const SaveRequest& request) override {
    const hdf5::Quiet quiet;
    std::vector<ChunkRecord> all = gather(std::exchange(records_, {}));
    on_writer_0([&] { write_tables(path, make_tables(request.datasets, std::move(all))); }, path);
  }

  [[nodiscard]] const FileSettings& settings() const noexcept override { return in_force_; }

 private:
  /// Once: a directory does not change its file system.
  void choose(Engine engine) {
    if (data_) return;
    wanted_.engine = engine;
    data_ = engine == Engine::direct ? make_direct_data_writer(wanted_) : make_mpi_io_data_writer(wanted_);
  }

  TableSizes agree_on_sizes(const SaveRequest& request) const {
    TableSizes sizes = sizes_of(request.datasets);
    std::uint64_t counts[] = {request.chunks.size(), 0};
    for (const Chunk& chunk : request.chunks) counts[1] += 2 * chunk.box.dimensions();
    comm_.allreduce(std::span<std::uint64_t>(counts), MPI_SUM);
    sizes.chunks = counts[0];
    sizes.boxes = counts[1];
    return sizes;
  }

  /// Collective: all chunks of all writers, on writer 0.
  std::vector<ChunkRecord> gather(const std::vector<ChunkRecord>& mine) const {
    std::vector<ChunkRecord> all;
    std::vector<Bytes> out(static_cast<std::size_t>(comm_.size()));
    out.front() = encode(mine);
    for (const Bytes& bytes : comm_.all_to_all(out))
      if (!bytes.empty()) std::ranges::move(decode<std::vector<ChunkRecord>>(bytes), std::back_inserter(all));
    return all;
  }

  template <class Function>
  void on_writer_0(Function&& function, const std::filesystem::path& path) const {
    mpi::all_or_none(comm_, [&] {
      if (comm_.rank() != 0) return;
      try {
        function();
      } catch (...) {
        throw current_error({.rank = -1, .host = host_name(), .path = path.string(), .tensor = {}});
      }
    });
  }

  const mpi::Communicator& comm_;
  FileSettings wanted_, in_force_;
  LayoutMaker layouts_;
  std::vector<std::uint64_t> addresses_;  ///< of the file that create() made
  std::vector<ChunkRecord> records_;      ///< of this writer's chunks that are written
  std::unique_ptr<DataWriter> data_;
};

}  // namespace

std::unique_ptr<FileEngine> make_file_engine(const mpi::Communicator& comm, FileSettings settings) {
  return std::make_unique<Hdf5Engine>(comm, std::move(settings));
}

}  // namespace holdfast::storage
