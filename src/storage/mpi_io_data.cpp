// The data path of the engine mpi_io: H5Dwrite, which knows the file system's ways through MPI-IO.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <optional>

#include "base/error_text.hpp"
#include "base/pace.hpp"
#include "base/unique_handle.hpp"
#include "storage/data_writer.hpp"
#include "storage/extents.hpp"
#include "storage/hdf5_types.hpp"
#include "storage/write_out.hpp"
#include "tensor/slabs.hpp"
#include "wrap/kept_failures.hpp"
#include "wrap/positioned_io.hpp"

namespace holdfast::storage {
namespace {

/// From this size on, one call of MPI-IO gets a whole box, where HDF5 would make one for every run of bytes.
constexpr std::uint64_t large_from_bytes = 1 << 20;
/// Most that one H5Dwrite hands to MPI-IO, so that the disk is at work while the rest is being written. Linux would write at most
/// 2 GiB at a time, and MPI-IO does not try again for the rest.
constexpr std::uint64_t max_write_bytes = 32 << 20;

bool is_large(const plan::Dataset& dataset) {
  return volume(dataset.global) * element_bytes(dataset) >= large_from_bytes;
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
  OwnWrite(const std::filesystem::path& path, std::span<const plan::Dataset> datasets, const mpi::Hints& hints, Pace& pace)
      : path_(path), datasets_(datasets), hints_(hints), pace_(pace), write_out_(path) {}

  /// Writes the chunks; returns what went wrong first.
  std::optional<Error> run(std::span<const Chunk> chunks) {
    attempt({}, [&] { open(); });
    for (const Chunk& chunk : chunks)
      if (!failure_ && !chunk.bytes.empty()) attempt(chunk.dataset, [&] { write(chunk); });
    if (!failure_) attempt({}, [&] { write_out_.finish(); });
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
    const plan::Dataset& dataset = datasets_[chunk.dataset];
    hdf5::Dataset handle;
    through_mpi_io("H5Dopen2", [&] { handle = access_.open(file_, path_of(dataset)); });
    if (dataset.kind == plan::Kind::string) return write_text(handle, chunk);
    const hdf5::Properties& transfer = is_large(dataset) ? whole_ : piecewise_;
    for (const Slab& slab : slabs(chunk.box, element_bytes(dataset), pace_.portion(max_write_bytes))) {
      pace_.admit(slab.bytes);
      through_mpi_io("H5Dwrite", [&] {
        hdf5::write(handle, types_.of(dataset.dtype), hdf5::select_box(handle, slab.box.offset, slab.box.extent), transfer,
                    chunk.bytes.data() + slab.begin_bytes);
      });
      write_out_.wrote(slab.bytes);
    }
  }

  /// A string is one element to HDF5, which writes it whole or not at all; several writers may each have a part of a long one.
  void write_text(const hdf5::Dataset& handle, const Chunk& chunk) {
    const std::uint64_t offset = hdf5::address_of(handle).value() + chunk.box.offset.at(0);
    const FileDescriptor file(::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file || !write_fully(file.get(), chunk.bytes.data(), chunk.bytes.size(), offset))
      throw Error(ErrorCode::storage, "writing a string: " + errno_text(errno));
    write_out_.wrote(chunk.bytes.size());
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
          {.rank = -1, .host = host_name(), .path = path_.string(), .tensor = dataset ? datasets_[*dataset].name : ""});
    }
  }

  const std::filesystem::path& path_;
  const std::span<const plan::Dataset> datasets_;
  const mpi::Hints& hints_;
  Pace& pace_;
  WriteOut write_out_;
  mpi::Hints hints_in_force_;
  const FileTypes types_;
  const hdf5::DatasetAccess access_;
  const hdf5::Properties whole_ = hdf5::collective_transfer(), piecewise_ = hdf5::independent_transfer();
  hid_t file_ = H5I_INVALID_HID;
  mpi::KeptFailures failures_;
  std::optional<Error> failure_;
};

class MpiIoDataWriter final : public DataWriter {
 public:
  explicit MpiIoDataWriter(FileSettings settings)
      : wanted_(std::move(settings)), in_force_(wanted_), pace_(wanted_.write_limit_bytes_per_s) {
    in_force_.method = "H5Dwrite";
  }

  void write(const std::filesystem::path& path, std::span<const plan::Dataset> datasets, std::span<const Chunk> chunks,
             std::span<const std::uint64_t>) override {
    OwnWrite own(path, datasets, wanted_.mpi_io_hints, pace_);
    if (const std::optional<Error> failure = own.run(chunks)) throw *failure;
    in_force_.mpi_io_hints = own.hints_in_force();
  }

  [[nodiscard]] FileSettings settings() const override { return in_force_; }

 private:
  const FileSettings wanted_;
  FileSettings in_force_;
  Pace pace_;
};

}  // namespace

std::unique_ptr<DataWriter> make_mpi_io_data_writer(FileSettings settings) {
  return std::make_unique<MpiIoDataWriter>(std::move(settings));
}

}  // namespace holdfast::storage
