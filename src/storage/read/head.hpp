#pragma once

#include <cstdint>
#include <filesystem>
#include <holdfast/catalog.hpp>

#include "storage/format/lineage.hpp"
#include "wrap/hdf5_buffered_file.hpp"

namespace holdfast::storage {

/// The header of a checkpoint file: the attributes of its root group.
struct Head {
  CheckpointInfo info;
  Lineage lineage;
};
/// Reads the header alone. Throws as Source does.
[[nodiscard]] Head read_head(const std::filesystem::path& path);

/// Opens a checkpoint file by HDF5. Throws Error(corrupt) for another file, unsupported_version for another format; the
/// caller adds the path.
[[nodiscard]] hdf5::BufferedFile open_checkpoint(const std::filesystem::path& path);
/// The header of an open checkpoint file of `file_bytes` bytes. The caller adds the path to errors.
[[nodiscard]] Head read_header(hid_t file, const std::filesystem::path& path, std::uint64_t file_bytes);

}  // namespace holdfast::storage
