#pragma once

#include <hdf5.h>
#include <mpi.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <holdfast/error.hpp>
#include <holdfast/tensor.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_handle.hpp"
#include "wrap/mpi.hpp"

/// One thin checked function per HDF5 call. Failures throw hdf5::Failure; code above this layer checks no return codes.
/// HDF5 is not thread-safe: only one thread of a process may use it at a time.
namespace holdfast::hdf5 {

/// A failed HDF5 call. The message is the call and HDF5's innermost error text.
class Failure : public Error {
 public:
  Failure(std::string message, int error_number)
      : Error(ErrorCode::storage, std::move(message)), error_number_(error_number) {}
  /// errno of the failed system call; 0 if the failure was not one.
  [[nodiscard]] int error_number() const noexcept { return error_number_; }

 private:
  int error_number_;
};

/// Keeps HDF5 from printing errors while it lives, then restores the program's setting. Make one before any use of
/// HDF5. Throws Error(invalid_state) if the loaded HDF5 is not the one that this was built for (wrap/hdf5_library.hpp).
class Quiet {
 public:
  Quiet();
  ~Quiet();
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

/// Throws Failure with the text of HDF5's error stack. `error_number` is errno right after the call; it was 0 before
/// the call.
[[noreturn]] void fail(const char* name, int error_number);

template <class Function, class... Args>
auto call(const char* name, Function function, Args... args) {
  errno = 0;
  const auto result = function(args...);
  if (result < 0) fail(name, errno);
  return result;
}

template <herr_t (*Close)(hid_t)>
struct IdTraits {
  using type = hid_t;
  static type none() noexcept { return H5I_INVALID_HID; }
  static void release(type id) noexcept {
    const Quiet quiet;
    Close(id);
  }
};
using DatasetId = UniqueHandle<IdTraits<H5Dclose>>;
using SpaceId = UniqueHandle<IdTraits<H5Sclose>>;
using TypeId = UniqueHandle<IdTraits<H5Tclose>>;
using PropertiesId = UniqueHandle<IdTraits<H5Pclose>>;
using AttributeId = UniqueHandle<IdTraits<H5Aclose>>;
using ObjectId = UniqueHandle<IdTraits<H5Oclose>>;
/// A file that only this process has open, so that closing it is local.
using FileId = UniqueHandle<IdTraits<H5Fclose>>;

// Files
/// The access properties of all our files: format bounds V110, no locking, strong close (closes all open objects of the
/// file).
[[nodiscard]] PropertiesId file_access();
/// Aligns datasets of at least 1 MiB that are created with this access to multiples of `bytes`.
void set_alignment(const PropertiesId& access, std::uint64_t bytes);
/// A Failure has the errno from the driver's error text. errno itself is overwritten by MPI-IO, and by HDF5 1.14 when
/// it searches for plugins.
[[nodiscard]] hid_t open_file(const std::filesystem::path& path, unsigned flags, const PropertiesId& access);
/// Collective. Opens a file through MPI-IO, for reading and writing. The caller closes it with close_shared(), which is
/// collective too. No handle owns the file, because a destructor must not communicate.
[[nodiscard]] hid_t open_shared(const std::filesystem::path& path, MPI_Comm comm, const mpi::Hints& hints = {});
void close_shared(hid_t file);
/// Local. The MPI-IO hints in force for a file opened by open_shared().
[[nodiscard]] mpi::Hints hints_of(hid_t file);

// Types
[[nodiscard]] TypeId copy_type(hid_t type);
/// A floating-point type of `bytes` bytes: sign, exponent and mantissa from the top bit down, with IEEE rules for other
/// sizes.
[[nodiscard]] TypeId float_type(std::size_t bytes, std::size_t exponent_bits, std::size_t mantissa_bits,
                                std::size_t bias);
[[nodiscard]] TypeId compound_type(std::size_t bytes);
void add_member(const TypeId& compound, const char* name, std::size_t offset, hid_t type);
[[nodiscard]] TypeId enum_type(hid_t base);
void add_name(const TypeId& enumeration, const char* name, std::uint8_t value);
/// A string type of fixed length, UTF-8. A text ends at its first NUL, for readers that look for one.
[[nodiscard]] TypeId string_type(std::size_t bytes);
[[nodiscard]] bool equal(hid_t a, hid_t b);
/// The size of a fixed-length string type; 0 for any other type.
[[nodiscard]] std::size_t string_bytes(hid_t type);

/// Creation properties without timestamps, so that equal saves give equal bytes.
[[nodiscard]] PropertiesId without_times(hid_t kind);
/// Creation properties of a file, without timestamps. The root group keeps its attributes in its object header, where
/// they are found at once.
[[nodiscard]] PropertiesId file_creation();

// Groups and attributes
void create_group(hid_t file, const char* path);
/// Opens an object. Does not follow links into other files.
[[nodiscard]] ObjectId open_object(hid_t file, const char* path);
void write_attribute(hid_t object, const char* name, std::int64_t value);
void write_attribute(hid_t object, const char* name, const std::string& value);
void write_attribute(hid_t object, const char* name, std::span<const std::int64_t> values);
/// Overwrites an existing attribute of the same type; a text or an array must keep its length.
void rewrite_attribute(hid_t object, const char* name, std::int64_t value);
void rewrite_attribute(hid_t object, const char* name, const std::string& value);
void rewrite_attribute(hid_t object, const char* name, std::span<const std::int64_t> values);
[[nodiscard]] bool has_attribute(hid_t object, const char* name);
[[nodiscard]] std::int64_t read_i64_attribute(hid_t object, const char* name);
/// Reads a 1-d attribute of at most 2^17 numbers.
[[nodiscard]] std::vector<std::int64_t> read_i64s_attribute(hid_t object, const char* name);
/// Reads a text of at most 4 KiB.
[[nodiscard]] std::string read_text_attribute(hid_t object, const char* name);

// Datasets
/// Creates and opens datasets. HDF5 is slow at making property lists, so use one object for many datasets.
class DatasetAccess {
 public:
  DatasetAccess();
  /// Creates a contiguous dataset, allocated early and never filled, and its groups. The shape {} makes a scalar.
  DatasetId create(hid_t file, const std::string& path, hid_t type, const Shape& shape) const;
  /// Opens a dataset. Does not follow links into other files.
  [[nodiscard]] DatasetId open(hid_t file, const std::string& path) const;
  /// The same with room in memory for `cache_bytes` of decoded chunks.
  [[nodiscard]] DatasetId open_to_decode(hid_t file, const std::string& path, std::size_t cache_bytes) const;

 private:
  PropertiesId creation_, link_, access_;
};
[[nodiscard]] TypeId type_of(const DatasetId& dataset);
[[nodiscard]] std::size_t size_of(const TypeId& type);
[[nodiscard]] Shape shape_of(const DatasetId& dataset);
/// Whether the dataset is contiguous, in this file and without filters.
[[nodiscard]] bool is_plain(const DatasetId& dataset);
/// Whether the dataset lies in this file in HDF5's chunks, or inside of its header.
[[nodiscard]] bool is_encoded(const DatasetId& dataset);
/// Bytes of an HDF5 chunk; 0 without chunks.
[[nodiscard]] std::uint64_t chunk_bytes(const DatasetId& dataset);
/// The numbers and names of the filters that the dataset's chunks went through.
[[nodiscard]] std::vector<std::pair<int, std::string>> filters_of(const DatasetId& dataset);
/// Offset of the dataset's bytes in the file; none if it has no bytes.
[[nodiscard]] std::optional<std::uint64_t> address_of(const DatasetId& dataset);

/// The elements that a transfer reads or writes: a selection in the file, and packed memory of the same number of
/// elements.
struct Selection {
  SpaceId file;
  SpaceId memory;
};
[[nodiscard]] Selection select_all(const DatasetId& dataset);
[[nodiscard]] Selection select_none(const DatasetId& dataset);
/// Selects a box that is not empty. A box without dimensions is the scalar.
[[nodiscard]] Selection select_box(const DatasetId& dataset, const Shape& offset, const Shape& extent);

/// Transfer properties for writing to a shared file: by this process alone, or collectively.
[[nodiscard]] PropertiesId independent_transfer();
[[nodiscard]] PropertiesId collective_transfer();
void write(const DatasetId& dataset, hid_t type, const Selection& selection, const PropertiesId& transfer,
           const void* data);
void read(const DatasetId& dataset, hid_t type, const Selection& selection, void* data);

}  // namespace holdfast::hdf5
