#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include "wrap/hdf5.hpp"

namespace holdfast::hdf5 {

/// A file that one process reads, or changes, through HDF5, with all changes kept in memory until finish() puts them on disk.
///
/// HDF5 does not survive a failed write of its metadata, nor a failed close: 1.10 keeps the file among those that are open, and
/// crashes when the program ends, in MPI_Finalize. Here it never sees one. What was read is closed without a look at the answer,
/// as nothing can be lost. finish() closes the HDF5 file, which goes to memory, and writes afterwards, by calls whose failure is
/// an ordinary Error. What is kept is what HDF5 writes, metadata and small tables; raw data that is allocated and not written
/// takes no memory.
class StagedFile {
 public:
  /// A new file, its large datasets aligned; truncates what is there.
  [[nodiscard]] static StagedFile create(const std::filesystem::path& path, std::uint64_t alignment_bytes = 1);
  /// An existing file whose content does not matter, made anew: what is not written, and lies before the new end, stays.
  [[nodiscard]] static StagedFile write_over(const std::filesystem::path& path, std::uint64_t alignment_bytes = 1);
  /// A file made before, once more: `image` is taken for what finish() wrote then, and can be changed on. `is_new` as between
  /// create() and write_over().
  struct Image {
    std::map<std::uint64_t, std::vector<std::byte>> parts;  ///< by their place in the file
    std::uint64_t file_bytes = 0;
  };
  [[nodiscard]] static StagedFile make_again(const std::filesystem::path& path, const Image& image, bool is_new);
  /// A file as it is, which nothing is written to. Links are followed.
  [[nodiscard]] static StagedFile open_to_read(const std::filesystem::path& path);
  StagedFile(StagedFile&&) noexcept;
  ~StagedFile();

  [[nodiscard]] hid_t get() const noexcept { return file_.get(); }
  /// Closes, writes the changes and sets the file's length. Without it, nothing reaches the disk. Returns what it wrote.
  Image finish();

 private:
  class Overlay;
  explicit StagedFile(std::unique_ptr<Overlay> overlay);
  [[nodiscard]] static StagedFile make(std::unique_ptr<Overlay> overlay, std::uint64_t alignment_bytes);

  std::unique_ptr<Overlay> overlay_;
  UniqueHandle<IdTraits<H5FDunregister>> driver_;
  Properties access_;
  File file_;
};

}  // namespace holdfast::hdf5
