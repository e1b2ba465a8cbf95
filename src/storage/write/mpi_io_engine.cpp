// The data path of the engine mpi_io: H5Dwrite, and so the MPI-IO driver of the file system.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <optional>

#include "base/error_text.hpp"
#include "base/rate_limiter.hpp"
#include "base/unique_handle.hpp"
#include "storage/format/extents.hpp"
#include "storage/format/hdf5_types.hpp"
#include "storage/write/data_engine.hpp"
#include "storage/write/writeback.hpp"
#include "tensor/slabs.hpp"
#include "wrap/positioned_io.hpp"
#include "wrap/suppressed_io_errors.hpp"

namespace holdfast::storage {
namespace {

/// From this size of a dataset on, one call of MPI-IO gets a whole box, where HDF5 would make one for every run of
/// bytes.
constexpr std::uint64_t large_from_bytes = 1 << 20;
/// Most bytes of one H5Dwrite, so that the disk is busy while the rest is being written. Linux writes at most 2 GiB per
/// call, and MPI-IO does not retry for the rest.
constexpr std::uint64_t max_write_bytes = 32 << 20;

bool is_large(const plan::Dataset& dataset) {
  return volume(dataset.global) * element_bytes(dataset) >= large_from_bytes;
}

/// The errno of a short write, which MPI-IO hides: making the file longer fails in the same way. 0 if it does not fail.
/// The save has failed, so the length of the file no longer matters.
int reason_of_short_write(const std::filesystem::path& path) {
  constexpr off_t new_page = 64 << 10;
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  const off_t end = file ? ::lseek(file.get(), 0, SEEK_END) : -1;
  if (end < 0 || ::pwrite(file.get(), "", 1, end + new_page) != 1) return errno;
  return 0;
}

/// The errno of a file that MPI-IO could not open. 0 if it can be opened now.
int reason_of_refused_open(const std::filesystem::path& path) {
  return FileDescriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW)) ? 0 : errno;
}

/// One call of write() on one writer. Each writer opens the file for itself (MPI_COMM_SELF, docs/decisions/0009): a
/// failure on one leaves no other waiting inside MPI-IO, and no file open that only all together could close.
class OwnWrite {
 public:
  OwnWrite(const std::filesystem::path& path, std::span<const plan::Dataset> datasets, const mpi::Hints& hints,
           RateLimiter& limiter)
      : path_(path), datasets_(datasets), hints_(hints), limiter_(limiter), writeback_(path) {}

  /// Writes the chunks; returns the first failure.
  std::optional<Error> run(std::span<const Chunk> chunks) {
    attempt({}, [&] { open(); });
    for (const Chunk& chunk : chunks)
      if (!failure_ && !chunk.bytes.empty()) attempt(chunk.dataset, [&] { write(chunk); });
    if (!failure_) attempt({}, [&] { writeback_.finish(); });
    if (file_ != H5I_INVALID_HID) attempt({}, [&] { through_mpi_io("H5Fclose", [&] { hdf5::close_shared(file_); }); });
    return failure_;
  }

  /// The hints in force, as MPI-IO returns them.
  [[nodiscard]] const mpi::Hints& hints_in_force() const noexcept { return hints_in_force_; }

 private:
  void open() {
    try {
      through_mpi_io("H5Fopen", [&] { file_ = hdf5::open_shared(path_, MPI_COMM_SELF, hints_); });
    } catch (const hdf5::Failure& failure) {
      const int number = failure.error_number() != 0 ? 0 : reason_of_refused_open(path_);
      if (number == 0) throw;
      throw hdf5::Failure(failure.message() + ": " + errno_text(number), number);
    }
    hints_in_force_ = hdf5::hints_of(file_);
  }

  void write(const Chunk& chunk) {
    const plan::Dataset& dataset = datasets_[chunk.dataset];
    hdf5::DatasetId handle;
    through_mpi_io("H5Dopen2", [&] { handle = access_.open(file_, path_of(dataset)); });
    if (dataset.kind == plan::DatasetKind::string) return write_text(handle, chunk);
    const hdf5::PropertiesId& transfer = is_large(dataset) ? whole_ : piecewise_;
    for (const Slab& slab : slabs(chunk.box, element_bytes(dataset), limiter_.portion(max_write_bytes))) {
      limiter_.admit(slab.bytes);
      through_mpi_io("H5Dwrite", [&] {
        hdf5::write(handle, types_.of(dataset.dtype), hdf5::select_box(handle, slab.box.offset, slab.box.extent),
                    transfer, chunk.bytes.data() + slab.begin_bytes);
      });
      writeback_.wrote(slab.bytes);
    }
  }

  /// Writes without HDF5, which writes a string whole or not at all: several writers may each have a part of a long
  /// one.
  void write_text(const hdf5::DatasetId& handle, const Chunk& chunk) {
    const std::uint64_t offset = hdf5::address_of(handle).value() + chunk.box.offset.at(0);
    const FileDescriptor file(::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file || !write_fully(file.get(), chunk.bytes.data(), chunk.bytes.size(), offset))
      throw Error(ErrorCode::storage, "writing a string: " + errno_text(errno));
    writeback_.wrote(chunk.bytes.size());
  }

  /// Runs a call of HDF5 and throws failures that HDF5 does not see, with the errno that MPI-IO hides.
  template <class Function>
  void through_mpi_io(const char* call, Function&& function) {
    try {
      function();
    } catch (const hdf5::Failure& failure) {
      const auto kept = failures_.take();
      const int number = kept ? *kept : failure.error_number() != 0 ? 0 : reason_of_short_write(path_);
      if (number == 0 || number == failure.error_number()) throw;
      throw hdf5::Failure(failure.message() + ": " + errno_text(number), number);
    }
    const auto kept = failures_.take();
    if (!kept) return;
    const int number = *kept != 0 ? *kept : reason_of_short_write(path_);
    throw hdf5::Failure(fmt::format("{}: a write came out short{}", call, number != 0 ? ": " + errno_text(number) : ""),
                        number);
  }

  /// Runs `function` and keeps the first failure.
  template <class Function>
  void attempt(std::optional<std::uint32_t> dataset, Function&& function) {
    try {
      function();
    } catch (...) {
      if (failure_) return;
      failure_ = current_error(
          {.host = host_name(), .path = path_.string(), .tensor = dataset ? datasets_[*dataset].name : ""});
    }
  }

  const std::filesystem::path& path_;
  const std::span<const plan::Dataset> datasets_;
  const mpi::Hints& hints_;
  RateLimiter& limiter_;
  Writeback writeback_;
  mpi::Hints hints_in_force_;
  const FileTypes types_;
  const hdf5::DatasetAccess access_;
  const hdf5::PropertiesId whole_ = hdf5::collective_transfer(), piecewise_ = hdf5::independent_transfer();
  hid_t file_ = H5I_INVALID_HID;
  mpi::SuppressedIoErrors failures_;
  std::optional<Error> failure_;
};

class MpiIoEngine final : public DataEngine {
 public:
  explicit MpiIoEngine(FileSettings settings)
      : wanted_(std::move(settings)), in_force_(wanted_), limiter_(wanted_.write_limit_bytes_per_s) {
    in_force_.method = "H5Dwrite";
  }

  void write(const std::filesystem::path& path, std::span<const plan::Dataset> datasets, std::span<const Chunk> chunks,
             std::span<const std::uint64_t>) override {
    OwnWrite own(path, datasets, wanted_.mpi_io_hints, limiter_);
    if (const std::optional<Error> failure = own.run(chunks)) throw *failure;
    in_force_.mpi_io_hints = own.hints_in_force();
  }

  [[nodiscard]] FileSettings settings() const override { return in_force_; }

 private:
  const FileSettings wanted_;
  FileSettings in_force_;
  RateLimiter limiter_;
};

}  // namespace

std::unique_ptr<DataEngine> make_mpi_io_engine(FileSettings settings) {
  return std::make_unique<MpiIoEngine>(std::move(settings));
}

}  // namespace holdfast::storage
