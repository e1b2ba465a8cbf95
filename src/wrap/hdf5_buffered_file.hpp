#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include "wrap/hdf5.hpp"

namespace holdfast::hdf5 {

/// A file that one process reads or changes through HDF5. All changes stay in memory until finish() writes them to
/// disk.
///
/// HDF5 does not survive a failed write of its metadata, nor a failed close: 1.10 keeps the file in its list of open
/// files and crashes when the program ends, in MPI_Finalize. With this class HDF5 never sees such a failure. finish()
/// closes the HDF5 file, which writes only to memory, and then writes to disk by calls whose failure is an ordinary
/// Error. A file opened for reading is closed without checking the result, because nothing can be lost. Memory holds
/// only the bytes that HDF5 writes, metadata and small tables; raw data that is allocated but not written takes no
/// memory.
class BufferedFile {
 public:
  /// Makes a new file with aligned large datasets. Truncates an existing file.
  [[nodiscard]] static BufferedFile create(const std::filesystem::path& path, std::uint64_t alignment_bytes = 1);
  /// Makes a new file in place of an existing one. Old bytes before the new end stay where nothing is written.
  [[nodiscard]] static BufferedFile write_over(const std::filesystem::path& path, std::uint64_t alignment_bytes = 1);
  /// The bytes that finish() wrote.
  struct Image {
    std::map<std::uint64_t, std::vector<std::byte>> parts;  ///< by offset in the file
    std::uint64_t file_bytes = 0;
  };
  /// Makes a file with the content of `image`, which can then be changed. `is_new`: opens the file as create() does,
  /// otherwise as write_over() does.
  [[nodiscard]] static BufferedFile make_again(const std::filesystem::path& path, const Image& image, bool is_new);
  /// Opens an existing file for reading. Follows symbolic links, unlike the functions above.
  [[nodiscard]] static BufferedFile open_to_read(const std::filesystem::path& path);
  BufferedFile(BufferedFile&&) noexcept;
  ~BufferedFile();

  [[nodiscard]] hid_t get() const noexcept { return file_.get(); }
  /// Closes the file, writes the changes, sets the file's length and returns what it wrote. Without it, nothing reaches
  /// the disk.
  Image finish();

 private:
  class Overlay;
  explicit BufferedFile(std::unique_ptr<Overlay> overlay);
  [[nodiscard]] static BufferedFile make(std::unique_ptr<Overlay> overlay, std::uint64_t alignment_bytes);

  std::unique_ptr<Overlay> overlay_;
  UniqueHandle<IdTraits<H5FDunregister>> driver_;
  PropertiesId access_;
  FileId file_;
};

}  // namespace holdfast::hdf5
