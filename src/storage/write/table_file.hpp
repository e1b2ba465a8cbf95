#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "base/unique_handle.hpp"
#include "storage/write/checkpoint_file.hpp"

namespace holdfast::storage {

/// Writes rows of the tables to their places in a file that has its layout, by positioned writes. Writers share pages:
/// the bytes beside the rows are not touched. Members throw Error(storage) with path and errno.
class TableFile {
 public:
  TableFile(const std::filesystem::path& path, Engine engine);
  void write(std::uint64_t offset, std::span<const std::byte> rows);

 private:
  std::filesystem::path path_;
  FileDescriptor file_;
};

}  // namespace holdfast::storage
