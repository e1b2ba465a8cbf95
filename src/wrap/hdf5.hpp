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
#include <vector>

#include "base/unique_handle.hpp"
#include "wrap/mpi.hpp"

/// One thin checked function per HDF5 call; failures throw hdf5::Failure. Above this layer nobody checks a return code.
/// HDF5 is not thread-safe: one thread of a process at a time.
namespace holdfast::hdf5 {

/// HDF5 said no. The sentence is the call and HDF5's innermost text.
class Failure : public Error {
 public:
  Failure(std::string sentence, int error_number) : Error(ErrorCode::storage, std::move(sentence)), error_number_(error_number) {}
  /// errno of the system call that failed; 0 where it was not one.
  [[nodiscard]] int error_number() const noexcept { return error_number_; }

 private:
  int error_number_;
};

/// Keeps HDF5 from printing errors while it lives; the program's own setting is put back. It stands before whatever is done with
/// HDF5: throws Error(invalid_state) where that is not the one that this was built for (wrap/hdf5_library.hpp).
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

/// Throws Failure from HDF5's error stack. `error_number` is errno right after the call, which was 0 before.
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
using Dataset = UniqueHandle<IdTraits<H5Dclose>>;
using Space = UniqueHandle<IdTraits<H5Sclose>>;
using Type = UniqueHandle<IdTraits<H5Tclose>>;
using Properties = UniqueHandle<IdTraits<H5Pclose>>;
using Attribute = UniqueHandle<IdTraits<H5Aclose>>;
using Object = UniqueHandle<IdTraits<H5Oclose>>;
/// A file that this process alone has open, so that closing it is local.
using File = UniqueHandle<IdTraits<H5Fclose>>;

// Files
/// What all our files share: format bounds V110, no locking, closing takes everything along.
[[nodiscard]] Properties file_access();
/// Datasets of at least 1 MiB that are created with this access start at a multiple of `bytes`.
void set_alignment(const Properties& access, std::uint64_t bytes);
/// errno is not the file's afterwards: MPI-IO leaves another one, and HDF5 1.14 that of its search for plugins. So the failure
/// has the errno that the driver wrote into its text.
[[nodiscard]] hid_t open_file(const std::filesystem::path& path, unsigned flags, const Properties& access);
/// Collective, through MPI-IO, for reading and writing. The caller closes it by close_shared(), which is collective, too;
/// no handle owns it, as a destructor must not communicate.
[[nodiscard]] hid_t open_shared(const std::filesystem::path& path, MPI_Comm comm, const mpi::Hints& hints = {});
void close_shared(hid_t file);
/// Local. The MPI-IO hints in force for a file that open_shared() opened.
[[nodiscard]] mpi::Hints hints_of(hid_t file);

// Types
[[nodiscard]] Type copy_type(hid_t type);
/// A floating-point type of `bytes` with sign, exponent and mantissa from the top bit down; IEEE rules but for the sizes.
[[nodiscard]] Type float_type(std::size_t bytes, std::size_t exponent_bits, std::size_t mantissa_bits, std::size_t bias);
[[nodiscard]] Type compound_type(std::size_t bytes);
void add_member(const Type& compound, const char* name, std::size_t offset, hid_t type);
[[nodiscard]] Type enum_type(hid_t base);
void add_name(const Type& enumeration, const char* name, std::uint8_t value);
/// Fixed length, UTF-8, ends at the first NUL for readers that look for one.
[[nodiscard]] Type string_type(std::size_t bytes);
[[nodiscard]] bool equal(hid_t a, hid_t b);
/// The size of a fixed-length string type; 0 for any other type.
[[nodiscard]] std::size_t string_bytes(hid_t type);

/// For creating objects that do not say when they were made, so that the same save gives the same bytes.
[[nodiscard]] Properties without_times(hid_t kind);
/// The same for a file, whose root group keeps its attributes in its header, where they are found at once.
[[nodiscard]] Properties file_creation();

// Groups and attributes
void create_group(hid_t file, const char* path);
/// Follows no link into another file.
[[nodiscard]] Object open_object(hid_t file, const char* path);
void write_attribute(hid_t object, const char* name, std::int64_t value);
void write_attribute(hid_t object, const char* name, const std::string& value);
void write_attribute(hid_t object, const char* name, std::span<const std::int64_t> values);
/// Of an attribute that is there, and has this type and, of a text or of several numbers, this length.
void rewrite_attribute(hid_t object, const char* name, std::int64_t value);
void rewrite_attribute(hid_t object, const char* name, const std::string& value);
void rewrite_attribute(hid_t object, const char* name, std::span<const std::int64_t> values);
[[nodiscard]] bool has_attribute(hid_t object, const char* name);
[[nodiscard]] std::int64_t read_i64_attribute(hid_t object, const char* name);
/// 1-d, at most 2^17 numbers.
[[nodiscard]] std::vector<std::int64_t> read_i64s_attribute(hid_t object, const char* name);
/// At most 4 KiB long.
[[nodiscard]] std::string read_text_attribute(hid_t object, const char* name);

// Datasets
/// How all our datasets are made and opened. HDF5 is slow at making property lists, so keep one for many datasets.
class DatasetAccess {
 public:
  DatasetAccess();
  /// Contiguous, allocated early, never filled; makes the groups on the way. {} is a scalar.
  Dataset create(hid_t file, const std::string& path, hid_t type, const Shape& shape) const;
  /// Follows no link into another file.
  [[nodiscard]] Dataset open(hid_t file, const std::string& path) const;

 private:
  Properties creation_, link_, access_;
};
[[nodiscard]] Type type_of(const Dataset& dataset);
[[nodiscard]] std::size_t size_of(const Type& type);
[[nodiscard]] Shape shape_of(const Dataset& dataset);
/// Contiguous, in this file, without filters?
[[nodiscard]] bool is_plain(const Dataset& dataset);
/// Where its bytes start in the file; nothing where it has none.
[[nodiscard]] std::optional<std::uint64_t> address_of(const Dataset& dataset);

/// What of a dataset a transfer touches: elements in the file, and as many in packed memory.
struct Selection {
  Space file;
  Space memory;
};
[[nodiscard]] Selection select_all(const Dataset& dataset);
[[nodiscard]] Selection select_none(const Dataset& dataset);
/// A box that is not empty; without dimensions, the scalar.
[[nodiscard]] Selection select_box(const Dataset& dataset, const Shape& offset, const Shape& extent);

/// How a write into a shared file goes: by this process alone, or by all of them in one call.
[[nodiscard]] Properties independent_transfer();
[[nodiscard]] Properties collective_transfer();
void write(const Dataset& dataset, hid_t type, const Selection& selection, const Properties& transfer, const void* data);
void read(const Dataset& dataset, hid_t type, const Selection& selection, void* data);

}  // namespace holdfast::hdf5
