#include "storage/write/hdf5_file.hpp"

#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <future>
#include <utility>

#include "base/checksum.hpp"
#include "base/error_text.hpp"
#include "storage/format/extents.hpp"
#include "storage/write/data_engine.hpp"
#include "storage/write/direct_file.hpp"
#include "storage/write/layout_maker.hpp"
#include "storage/write/table_file.hpp"
#include "wrap/hdf5.hpp"

namespace holdfast::storage {
namespace {

void check_chunk(const Chunk& chunk, const SaveRequest& request) {
  const auto bad = [&](const std::string& what, const std::string& name) {
    return Error(ErrorCode::internal, what, {.rank = chunk.rank, .host = {}, .path = {}, .tensor = name});
  };
  if (chunk.dataset >= request.datasets.size()) throw bad("a chunk of a dataset that is not there", {});
  const plan::Dataset& dataset = request.datasets[chunk.dataset];
  if (!inside(chunk.box, dataset.global))
    throw bad("a chunk outside its dataset: " + to_string(chunk.box), dataset.name);
  if (chunk.bytes.size() != volume(chunk.box.extent) * element_bytes(dataset))
    throw bad("a chunk of the wrong size", dataset.name);
}

std::vector<std::uint64_t> checksums_of(std::span<const Chunk> chunks) {
  std::vector<std::uint64_t> sums(chunks.size());
  std::ranges::transform(chunks, sums.begin(), [](const Chunk& chunk) { return checksum(chunk.bytes); });
  return sums;
}

/// Whether the file is on a local file system with fast direct writes. MPI-IO is better elsewhere: it has drivers for
/// parallel file systems, and NFS does not keep the writes of two nodes to one page apart.
bool suits_direct_writes(const std::filesystem::path& path) {
  constexpr std::array<long, 3> known = {0xEF53 /* ext2, 3, 4 */, 0x58465342 /* xfs */,
                                         static_cast<long>(0xF2F52010) /* f2fs */};
  struct statfs status {};
  return statfs(path.c_str(), &status) == 0 &&
         std::ranges::find(known, static_cast<long>(status.f_type)) != known.end() && DirectFile::is_possible(path);
}

/// A program that sets anything about MPI-IO wants it.
bool mpi_io_is_wanted(const FileSettings& settings) {
  return !settings.mpi_io_hints.empty() || settings.mpi_io != FileSettings().mpi_io;
}

class Hdf5File final : public CheckpointFile {
 public:
  Hdf5File(const mpi::Communicator& comm, FileSettings settings)
      : comm_(comm), wanted_(std::move(settings)), in_force_(wanted_), layouts_(wanted_) {}

  std::uint64_t make(const std::filesystem::path& path, const SaveRequest& request, const Title& title,
                     FileSpace space) override {
    mpi::all_or_none(comm_, [&] {
      std::ranges::for_each(request.chunks, [&](const Chunk& chunk) { check_chunk(chunk, request); });
    });
    const TableSizes sizes = share_tables_out(request);
    FileLayout layout;
    on_writer_0(
        [&] {
          layout = layouts_.make(path, request, sizes, title, space);
          layout.engine = wanted_.engine;
          if (layout.engine == Engine::automatic)
            layout.engine = suits_direct_writes(path) && !mpi_io_is_wanted(wanted_) ? Engine::direct : Engine::mpi_io;
        },
        path);
    mpi::broadcast_value(comm_, layout, 0);
    choose(layout.engine);
    records_.clear();
    layout_ = std::move(layout);
    return layout_.file_bytes;
  }

  void write(const std::filesystem::path& path, const SaveRequest& request, std::span<const Chunk> chunks) override {
    std::future<std::vector<std::uint64_t>> sums;  // computed during the write; the destructor waits for the thread
    mpi::all_or_none(comm_, [&] { sums = std::async(std::launch::async, checksums_of, chunks); });
    mpi::all_or_none(comm_, [&] {
      const hdf5::Quiet quiet;
      data_->write(path, request.datasets, chunks, layout_.addresses);
    });
    in_force_ = data_->settings();
    const std::vector<std::uint64_t> found = sums.get();
    for (std::size_t i = 0; i < found.size(); ++i)
      records_.push_back({chunks[i].dataset, chunks[i].rank, chunks[i].box, found[i]});
  }

  void finish(const std::filesystem::path& path) override {
    PartRow part;
    mpi::all_or_none(comm_, [&] { part = write_segment(path); });
    std::vector<PartRow> parts = gather(part);
    on_writer_0(
        [&] {
          const auto rows = make_parts(std::move(parts), layouts_.definitions());
          TableFile(path, layout_.engine).write(layout_.tables.parts, std::as_bytes(std::span(rows)));
        },
        path);
  }

  [[nodiscard]] const FileSettings& settings() const noexcept override { return in_force_; }

 private:
  /// Chooses the engine once: a directory does not change its file system.
  void choose(Engine engine) {
    if (data_) return;
    wanted_.engine = engine;
    data_ = engine == Engine::direct ? make_direct_engine(wanted_) : make_mpi_io_engine(wanted_);
  }

  /// Collective. Returns the sizes of the tables and sets own_ and before_.
  TableSizes share_tables_out(const SaveRequest& request) {
    own_ = {.chunks = request.chunks.size()};
    for (const Chunk& chunk : request.chunks) own_.boxes += 2 * chunk.box.dimensions();
    const std::vector<PartRow> all = gather(own_);
    TableSizes sizes = sizes_of(request.datasets);
    before_ = {};
    for (std::size_t writer = 0; writer < all.size(); ++writer) {
      if (static_cast<int>(writer) == comm_.rank()) before_ = {.chunks = sizes.chunks, .boxes = sizes.boxes};
      sizes.chunks += all[writer].chunks;
      sizes.boxes += all[writer].boxes;
    }
    sizes.parts = all.size() + 1;
    return sizes;
  }

  /// Writes this writer's rows to their place; returns its row of the parts table.
  PartRow write_segment(const std::filesystem::path& path) {
    const Segment segment = make_segment(std::exchange(records_, {}), before_.boxes);
    if (segment.chunks.size() != own_.chunks || segment.boxes.size() != own_.boxes)
      throw Error(ErrorCode::internal, "a save ends before all of its chunks are written");
    TableFile file(path, layout_.engine);
    file.write(layout_.tables.chunks + before_.chunks * sizeof(ChunkRow), std::as_bytes(std::span(segment.chunks)));
    file.write(layout_.tables.boxes + before_.boxes * sizeof(std::uint64_t), std::as_bytes(std::span(segment.boxes)));
    return segment.part();
  }

  /// Collective. The rows of all writers, by rank.
  std::vector<PartRow> gather(const PartRow& own) const {
    const std::uint64_t numbers[] = {own.chunks, own.boxes, own.xxh3};
    const std::vector<std::uint64_t> all = comm_.all_gather(numbers);
    std::vector<PartRow> rows;
    for (std::size_t i = 0; i < all.size(); i += std::size(numbers)) rows.push_back({all[i], all[i + 1], all[i + 2]});
    return rows;
  }

  template <class Function>
  void on_writer_0(Function&& function, const std::filesystem::path& path) const {
    mpi::all_or_none(comm_, [&] {
      if (comm_.rank() != 0) return;
      try {
        function();
      } catch (...) {
        throw current_error({.host = host_name(), .path = path.string()});
      }
    });
  }

  const mpi::Communicator& comm_;
  FileSettings wanted_, in_force_;
  LayoutMaker layouts_;
  FileLayout layout_;                 ///< layout of the file that make() made
  PartRow own_, before_;              ///< sizes of this writer's part of the tables and of the parts before it
  std::vector<ChunkRecord> records_;  ///< this writer's chunks written so far
  std::unique_ptr<DataEngine> data_;
};

}  // namespace

std::unique_ptr<CheckpointFile> make_checkpoint_file(const mpi::Communicator& comm, FileSettings settings) {
  return std::make_unique<Hdf5File>(comm, std::move(settings));
}

}  // namespace holdfast::storage
