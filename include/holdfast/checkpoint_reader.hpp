#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <holdfast/catalog.hpp>
#include <holdfast/error.hpp>
#include <holdfast/export.hpp>
#include <holdfast/tensor.hpp>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

/// What a name in a checkpoint stands for.
enum class SavedKind : std::uint8_t {
  tensor,
  value,   ///< a number, or a vector of numbers or bytes
  string,  ///< a text
};

/// A name in a checkpoint.
struct SavedEntry {
  std::string name;                    ///< as in the StateDict that was saved
  SavedKind kind = SavedKind::tensor;  ///< what it stands for
  bool per_rank = false;               ///< whether each rank saved a value of its own
  DType dtype = DType::f32;            ///< type of the elements; u8 for strings
  /// Global shape of a tensor; {} for one number, {n} for a vector of numbers, {bytes} for a string. For a value per
  /// rank {n}, the elements of all ranks together.
  Shape shape;
  /// Whether all members are equal.
  bool operator==(const SavedEntry&) const = default;
};

/// What one rank saved of a name: a box in its shape.
struct SavedBox {
  int rank = -1;  ///< rank of the program that saved it
  Shape offset;   ///< first element of the box, per dimension
  Shape extent;   ///< elements of the box, per dimension
};

/// Settings of a CheckpointReader.
struct ReaderOptions {
  /// Hold all that is read against its checksums. A checksum covers what one rank saved of a tensor, so reading a part
  /// of that reads all of it.
  bool verify = true;
  /// Let HDF5 load the filters that h5repack compressed a file with. They are code that runs in this process. Filters
  /// that HDF5 has itself (gzip, shuffle, fletcher32 and others) need no permission.
  bool filter_plugins = false;
};

/// What is in one checkpoint. Needs no MPI, and no MPI_Init: a program can look before it makes room and loads, and
/// tools and scripts need nothing else. Reads what Holdfast wrote, and what h5repack made of that.
///
/// Memory is bounded by what is asked for and by the file's own tables; damaged bytes never crash it. Errors name the
/// path, and the tensor where there is one: `corrupt` for a file that is damaged or no checkpoint,
/// `unsupported_version` for one that this version does not read, `storage` for a failed system call, `not_found` for a
/// name that is not there (with the nearest one that is), `mismatch` for another kind or dtype, `invalid_argument` for
/// a box outside of the shape. const members may be called by any number of threads.
class HOLDFAST_API CheckpointReader {
 public:
  /// Opens a checkpoint file, and verifies its tables.
  explicit CheckpointReader(const std::filesystem::path& file, const ReaderOptions& options = {});
  ~CheckpointReader();
  /// Moves; what was moved from can only be assigned to or destroyed.
  CheckpointReader(CheckpointReader&&) noexcept;
  /// Moves; what was moved from can only be assigned to or destroyed.
  CheckpointReader& operator=(CheckpointReader&&) noexcept;

  /// The header: step, number of ranks, time.
  [[nodiscard]] const CheckpointInfo& info() const noexcept;
  /// All names, sorted.
  [[nodiscard]] const std::vector<SavedEntry>& entries() const noexcept;
  /// The entry of a name; null if it is not there. Borrowed from the reader.
  [[nodiscard]] const SavedEntry* find(std::string_view name) const noexcept;
  /// The entry of a name. Throws `not_found`.
  [[nodiscard]] const SavedEntry& at(std::string_view name) const;
  /// Which rank saved what of a name: boxes that cover its shape exactly, by offset. A replica is listed once, with the
  /// rank whose copy was saved. An empty value per rank is a box of extent {0}.
  [[nodiscard]] std::vector<SavedBox> boxes(std::string_view name) const;
  /// Whether the file has checksums. Without them nothing is verified.
  [[nodiscard]] bool has_checksums() const noexcept;

  /// Reads the box `to.shard` of what is stored under the name, a tensor as a rule, into memory of this process, in its
  /// strides. Dtype and global shape are those of the entry.
  void read(std::string_view name, const TensorView& to) const;
  /// The elements of a value or the bytes of a string: those of `rank` if it is per rank, otherwise without a rank.
  [[nodiscard]] std::vector<std::byte> bytes(std::string_view name, int rank = -1) const;
  /// The number, which is of type T. For a value per rank, that of `rank`, which saved one number.
  template <Number T>
  [[nodiscard]] T number(std::string_view name, int rank = -1) const {
    T value{};
    copy_value(name, rank, dtype_of<T>(), true, [&](std::size_t) { return &value; });
    return value;
  }
  /// The numbers, which are of type T.
  template <Number T>
  requires(!std::same_as<T, bool>) [[nodiscard]] std::vector<T> numbers(std::string_view name, int rank = -1) const {
    std::vector<T> values;
    copy_value(name, rank, dtype_of<T>(), false, [&](std::size_t count) {
      values.resize(count);
      return values.data();
    });
    return values;
  }
  /// The string.
  [[nodiscard]] std::string string(std::string_view name, int rank = -1) const;

  /// Called with the bytes that have been looked at, and with all.
  using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;
  /// Reads everything and returns what is wrong with it, each as an Error that names the tensor: a checksum that does
  /// not fit, an element that nobody saved or two ranks did, a dataset that HDF5 sees otherwise than the tables. Empty
  /// if all is as it was saved. `progress` may be empty. One thread of the process at a time, as it uses HDF5.
  [[nodiscard]] std::vector<Error> verify(const Progress& progress = {}) const;

 private:
  class Impl;

  void copy_value(std::string_view name, int rank, DType dtype, bool is_one,
                  const std::function<void*(std::size_t count)>& room) const;

  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
