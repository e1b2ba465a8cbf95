#include "storage/hdf5_writer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <optional>

#include "base/checksum.hpp"
#include "storage/hdf5_layout.hpp"
#include "storage/hdf5_types.hpp"
#include "tensor/slabs.hpp"
#include "wrap/positioned_io.hpp"

namespace holdfast::storage {
namespace {

/// Datasets from this size on are written by collective calls.
constexpr std::uint64_t collective_from_bytes = 1 << 20;
/// Most that one H5Dwrite hands to MPI-IO: Linux writes at most 2 GiB at a time, and MPI-IO does not try again for the rest.
constexpr std::uint64_t max_write_bytes = 512 << 20;

std::uint64_t element_bytes(const plan::Dataset& dataset) {
  return dataset.kind == plan::Kind::string ? 1 : size_of(dataset.dtype);
}

bool is_collective(const plan::Dataset& dataset) {
  return dataset.kind != plan::Kind::string && volume(dataset.global) * element_bytes(dataset) >= collective_from_bytes;
}

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

/// What one H5Dwrite takes: a box, and its bytes in memory.
struct Piece {
  Box box;
  const std::byte* data = nullptr;
  std::uint64_t bytes = 0;
};

/// Why a write came out short: MPI-IO swallows the reason, and making the file longer by hand meets it again. 0 if it does not.
/// The save has failed, so the file's length matters no more.
int reason_of_short_write(const std::filesystem::path& path) {
  constexpr off_t new_page = 64 << 10;
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  const off_t end = file ? ::lseek(file.get(), 0, SEEK_END) : -1;
  if (end < 0 || ::pwrite(file.get(), "", 1, end + new_page) != 1) return errno;
  return 0;
}

/// A dataset that all write together, and this writer's part of it.
struct SharedDataset {
  std::uint32_t dataset = 0;
  std::vector<Piece> pieces;
  std::uint64_t rounds = 0;  ///< the most pieces that any writer has
  hdf5::Dataset handle;
};

/// One call of write(): the file open on all writers.
class SharedWrite {
 public:
  SharedWrite(const mpi::Communicator& comm, const std::filesystem::path& path, const SaveRequest& request,
              const mpi::Hints& hints)
      : comm_(comm), path_(path), request_(request), hints_(hints) {}

  /// Collective.
  void run() {
    std::vector<std::uint64_t> rounds;
    mpi::all_or_none(comm_, [&] { rounds = cut(); });
    comm_.allreduce(rounds, MPI_MAX);
    open(rounds);
    for (SharedDataset& shared : shared_) write_together(shared);
    for (const Chunk& chunk : request_.chunks)
      if (!failure_ && !is_collective(request_.datasets[chunk.dataset])) attempt(chunk.dataset, [&] { write_alone(chunk); });
    close();
    mpi::agree(comm_, failure_);
  }

  /// What MPI-IO made of the hints.
  [[nodiscard]] const mpi::Hints& hints_in_force() const noexcept { return hints_in_force_; }

 private:
  /// Lists the shared datasets with this writer's pieces; returns how many pieces each has.
  std::vector<std::uint64_t> cut() {
    std::vector<std::uint64_t> counts;
    std::vector<std::size_t> shared_of(request_.datasets.size());
    for (std::uint32_t i = 0; i < request_.datasets.size(); ++i) {
      if (!is_collective(request_.datasets[i])) continue;
      shared_of[i] = shared_.size();
      shared_.push_back({.dataset = i, .pieces = {}, .rounds = 0, .handle = {}});
    }
    for (const Chunk& chunk : request_.chunks) {
      const plan::Dataset& dataset = request_.datasets[chunk.dataset];
      if (!is_collective(dataset)) continue;
      for (Slab& slab : slabs(chunk.box, element_bytes(dataset), max_write_bytes))
        shared_[shared_of[chunk.dataset]].pieces.push_back(
            {std::move(slab.box), chunk.bytes.data() + slab.begin_bytes, slab.bytes});
    }
    for (const SharedDataset& shared : shared_) counts.push_back(shared.pieces.size());
    return counts;
  }

  /// Opening may fail on one writer alone. The others cannot take it back then, as closing is collective: they keep the file
  /// open, which is a lost descriptor and no hang.
  void open(std::span<const std::uint64_t> rounds) {
    comm_.meet();
    mpi::all_or_none(comm_, [&] { file_ = hdf5::open_shared(path_, comm_.get(), hints_); });
    hints_in_force_ = hdf5::hints_of(file_);
    for (std::size_t i = 0; i < shared_.size(); ++i) {
      shared_[i].rounds = rounds[i];
      attempt(shared_[i].dataset,
              [&] { shared_[i].handle = access_.open(file_, path_of(request_.datasets[shared_[i].dataset])); });
    }
    try {
      mpi::agree(comm_, failure_);
    } catch (...) {
      close();
      throw;
    }
  }

  /// As many collective calls on every writer; one that failed, or has fewer pieces, takes part with nothing.
  void write_together(SharedDataset& shared) {
    const hdf5::Properties transfer = hdf5::collective_transfer();
    const hid_t type = types_.of(request_.datasets[shared.dataset].dtype);
    for (std::uint64_t round = 0; round < shared.rounds; ++round) {
      const bool takes_part = round < shared.pieces.size() && !failure_;
      comm_.meet();
      attempt(shared.dataset, [&] {
        if (takes_part)
          write_piece(shared.handle, request_.datasets[shared.dataset], shared.pieces[round], transfer);
        else
          hdf5::write(shared.handle, type, hdf5::select_none(shared.handle), transfer, nullptr);
      });
    }
    shared.handle.reset();
  }

  void write_piece(const hdf5::Dataset& handle, const plan::Dataset& dataset, const Piece& piece,
                   const hdf5::Properties& transfer) {
    try {
      hdf5::write(handle, types_.of(dataset.dtype), hdf5::select_box(handle, piece.box.offset, piece.box.extent), transfer,
                  piece.data);
    } catch (const hdf5::Failure& failure) {
      const int number = failure.error_number() != 0 ? 0 : reason_of_short_write(path_);
      if (number == 0) throw;
      throw hdf5::Failure(failure.sentence() + ": " + errno_text(number), number);
    }
  }

  void write_alone(const Chunk& chunk) {
    if (chunk.bytes.empty()) return;
    const plan::Dataset& dataset = request_.datasets[chunk.dataset];
    const hdf5::Dataset handle = access_.open(file_, path_of(dataset));
    if (dataset.kind == plan::Kind::string)
      write_text(handle, chunk);
    else
      write_piece(handle, dataset, {chunk.box, chunk.bytes.data(), chunk.bytes.size()}, independent_);
  }

  /// A string is one element to HDF5, which writes it whole or not at all; several writers may each have a part of a long one.
  void write_text(const hdf5::Dataset& handle, const Chunk& chunk) const {
    const std::uint64_t offset = hdf5::address_of(handle).value() + chunk.box.offset.at(0);
    const FileDescriptor file(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file || !write_fully(file.get(), chunk.bytes.data(), chunk.bytes.size(), offset))
      throw Error(ErrorCode::storage, "writing a string: " + errno_text(errno));
  }

  void close() {
    for (SharedDataset& shared : shared_) shared.handle.reset();
    comm_.meet();
    attempt({}, [&] { hdf5::close_shared(file_); });
  }

  /// Keeps the first failure for agree(); a writer that failed must not leave the others alone in their collective calls.
  template <class Function>
  void attempt(std::optional<std::uint32_t> dataset, Function&& function) {
    try {
      function();
    } catch (...) {
      if (failure_) return;
      failure_ = current_error(
          {.rank = -1, .host = host_name(), .path = path_.string(), .tensor = dataset ? request_.datasets[*dataset].name : ""});
    }
  }

  const mpi::Communicator& comm_;
  const std::filesystem::path& path_;
  const SaveRequest& request_;
  const mpi::Hints& hints_;
  mpi::Hints hints_in_force_;
  const FileTypes types_;
  const hdf5::DatasetAccess access_;
  const hdf5::Properties independent_ = hdf5::independent_transfer();
  std::vector<SharedDataset> shared_;
  hid_t file_ = H5I_INVALID_HID;
  std::optional<Error> failure_;
};

class Hdf5Writer final : public FileEngine {
 public:
  Hdf5Writer(const mpi::Communicator& comm, FileSettings settings)
      : comm_(comm), wanted_(std::move(settings)), in_force_(wanted_) {}

  std::uint64_t create(const std::filesystem::path& path, const SaveRequest& request, const std::string& created) override {
    mpi::all_or_none(comm_,
                     [&] { std::ranges::for_each(request.chunks, [&](const Chunk& chunk) { check_chunk(chunk, request); }); });
    const TableSizes sizes = agree_on_sizes(request);
    std::uint64_t bytes = 0;
    on_writer_0([&] { bytes = create_layout(path, request, sizes, created, wanted_); }, path);
    mpi::broadcast_value(comm_, bytes, 0);
    return bytes;
  }

  void write(const std::filesystem::path& path, const SaveRequest& request) override {
    const hdf5::Quiet quiet;
    std::future<std::vector<std::uint64_t>> sums;  // computed beside the writing; waits for its thread when it goes
    mpi::all_or_none(comm_, [&] { sums = std::async(std::launch::async, checksums_of, std::span(request.chunks)); });
    SharedWrite shared(comm_, path, request, wanted_.mpi_io_hints);
    shared.run();
    in_force_.mpi_io_hints = shared.hints_in_force();
    std::vector<ChunkRecord> records = gather_records(request, sums.get());
    on_writer_0([&] { write_tables(path, make_tables(request.datasets, std::move(records))); }, path);
  }

  [[nodiscard]] const FileSettings& settings() const noexcept override { return in_force_; }

 private:
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
  std::vector<ChunkRecord> gather_records(const SaveRequest& request, std::span<const std::uint64_t> sums) const {
    std::vector<ChunkRecord> mine, all;
    for (std::size_t i = 0; i < sums.size(); ++i)
      mine.push_back({request.chunks[i].dataset, request.chunks[i].rank, request.chunks[i].box, sums[i]});
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
  const FileSettings wanted_;
  FileSettings in_force_;
};

}  // namespace

std::unique_ptr<FileEngine> make_hdf5_writer(const mpi::Communicator& comm, FileSettings settings) {
  return std::make_unique<Hdf5Writer>(comm, std::move(settings));
}

}  // namespace holdfast::storage
