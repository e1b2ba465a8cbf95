#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "storage/format/lineage.hpp"
#include "storage/write/save_request.hpp"

namespace holdfast::storage {

/// Attributes of a file that are not in its request.
struct Title {
  std::string created;  ///< UTC, ISO 8601
  Lineage lineage;
};

/// The space that a file is made in.
enum class FileSpace {
  fresh,  ///< a new file; an existing one is truncated
  /// The existing file, which has the same layout (plan and number of abandoned ranges). Its bytes stay until they are
  /// overwritten.
  recycled,
};

/// Makes and writes one file at a time (Hdf5File is the one implementation). Collective over the writers. Each member
/// throws the same Error on all of them and leaves no file open, so a failure leaves only the file itself to remove.
class CheckpointFile {
 public:
  virtual ~CheckpointFile() = default;
  /// Makes the file with every dataset in its place and returns its final size in bytes. `title` matters on writer 0
  /// only.
  virtual std::uint64_t make(const std::filesystem::path& path, const SaveRequest& request, const Title& title,
                             FileSpace space) = 0;
  /// Writes some of the request's chunks. Overwrites reserved space and never allocates.
  virtual void write(const std::filesystem::path& path, const SaveRequest& request, std::span<const Chunk> chunks) = 0;
  /// Writes the tables, with the checksums of all chunks of the request, which must be written by now.
  virtual void finish(const std::filesystem::path& path) = 0;
  /// Local. The settings in force in the last write().
  [[nodiscard]] virtual const FileSettings& settings() const noexcept = 0;
};

}  // namespace holdfast::storage
