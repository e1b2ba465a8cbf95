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
#include "storage/slabs.hpp"
#include "wrap/kept_failures.hpp"
#include "wrap/positioned_io.hpp"

namespace holdfast::storage {
namespace {

/// From this size on, one call of MPI-IO gets a whole box, where HDF5 would make one for every run of bytes.
constexpr std::uint64_t large_from_bytes = 1 << 20;
/// Most that one H5Dwrite hands to MPI-IO: Linux writes at most 2 GiB at a time, and MPI-IO does not try again for the rest.
constexpr std::uint64_t max_write_bytes = 512 << 20;

std::uint64_t element_bytes(const plan::Dataset& dataset) {
  return dataset.kind == plan::Kind::string ? 1 : size_of(dataset.dtype);
}

bool is_large(const plan::Dataset& dataset) {
  return volume(dataset.global) * element_bytes(dataset) >= large_from_bytes;
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

/// Why a write came out short: MPI-IO swallows the reason, and making the file longer by hand meets it again. 0 if it does not.
/// The save has failed, so the file's length matters no more.
int reason_of_short_write(const std::filesystem::path& path) {
  constexpr off_t new_page = 64 << 10;
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  const off_t end = file ? ::lseek(file.get(), 0, SEEK_END) : -1;
  if (end < 0 || ::pwrite(file.get(), "", 1, end + new_page) != 1) return errno;
  return 0;
}

/// The same for a file that MPI-IO could not open. 0 if it can be opened now.
int reason_of_refused_open(const std::filesystem::path& path) {
  return FileDescriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW)) ? 0 : errno;
}

/// One call of write(), on one writer. Each opens the file for itself (MPI_COMM_SELF), as docs/decisions/0009 tells: what fails
/// on one leaves no other waiting inside MPI-IO, and nothing open that only all together could close.
class OwnWrite {
 public:
  OwnWrite(const std::filesystem::path& path, const SaveRequest& request, const mpi::Hints& hints)
      : path_(path), request_(request), hints_(hints) {}

  /// Writes this writer's chunks; returns what went wrong first.
  std::optional<Error> run() {
    attempt({}, [&] { open(); });
    for (const Chunk& chunk : request_.chunks)
      if (!failure_ && !chunk.bytes.empty()) attempt(chunk.dataset, [&] { write(chunk); });
    if (file_ != H5I_INVALID_HID) attempt({}, [&] { through_mpi_io("H5Fclose", [&] { hdf5::close_shared(file_); }); });
    return failure_;
  }

  /// What MPI-IO made of the hints.
  [[nodiscard]] const mpi::Hints& hints_in_force() const noexcept { return hints_in_force_; }

 private:
  void open() {
    try {
      through_mpi_io("H5Fopen", [&] { file_ = hdf5::open_shared(path_, MPI_COMM_SELF, hints_); });
    } catch (const hdf5::Failure& failure) {
      const int number = failure.error_number() != 0 ? 0 : reason_of_refused_open(path_);
      if (number == 0) throw;
      throw hdf5::Failure(failure.sentence() + ": " + errno_text(number), number);
    }
    hints_in_force_ = hdf5::hints_of(file_);
  }

  void write(const Chunk& chunk) {
    const plan::Dataset& dataset = request_.datasets[chunk.dataset];
    hdf5::Dataset handle;
    through_mpi_io("H5Dopen2", [&] { handle = access_.open(file_, path_of(dataset)); });
    if (dataset.kind == plan::Kind::string) return write_text(handle, chunk);
    const hdf5::Properties& transfer = is_large(dataset) ? whole_ : piecewise_;
    for (const Slab& slab : slabs(chunk.box, element_bytes(dataset), max_write_bytes))
      through_mpi_io("H5Dwrite", [&] {
        hdf5::write(handle, types_.of(dataset.dtype), hdf5::select_box(handle, slab.box.offset, slab.box.extent), transfer,
                    chunk.bytes.data() + slab.begin_bytes);
      });
  }

  /// A string is one element to HDF5, which writes it whole or not at all; several writers may each have a part of a long one.
  void write_text(const hdf5::Dataset& handle, const Chunk& chunk) const {
    const std::uint64_t offset = hdf5::address_of(handle).value() + chunk.box.offset.at(0);
    const FileDescriptor file(::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file || !write_fully(file.get(), chunk.bytes.data(), chunk.bytes.size(), offset))
      throw Error(ErrorCode::storage, "writing a string: " + errno_text(errno));
  }

  /// Runs a call of HDF5, and adds what HDF5 does not tell: a write that it was not told of, the errno that MPI-IO swallowed.
  template <class Function>
  void through_mpi_io(const char* call, Function&& function) {
    try {
      function();
    } catch (const hdf5::Failure& failure) {
      const auto kept = failures_.take();
      const int number = kept ? *kept : failure.error_number() != 0 ? 0 : reason_of_short_write(path_);
      if (number == 0 || number == failure.error_number()) throw;
      throw hdf5::Failure(failure.sentence() + ": " + errno_text(number), number);
    }
    const auto kept = failures_.take();
    if (!kept) return;
    const int number = *kept != 0 ? *kept : reason_of_short_write(path_);
    throw hdf5::Failure(fmt::format("{}: a write came out short{}", call, number != 0 ? ": " + errno_text(number) : ""), number);
  }

  /// Keeps the first failure.
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

  const std::filesystem::path& path_;
  const SaveRequest& request_;
  const mpi::Hints& hints_;
  mpi::Hints hints_in_force_;
  const FileTypes types_;
  const hdf5::DatasetAccess access_;
  const hdf5::Properties whole_ = hdf5::collective_transfer(), piecewise_ = hdf5::independent_transfer();
  hid_t file_ = H5I_INVALID_HID;
  mpi::KeptFailures failures_;
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
    OwnWrite own(path, request, wanted_.mpi_io_hints);
    mpi::agree(comm_, own.run());
    in_force_.mpi_io_hints = own.hints_in_force();
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
