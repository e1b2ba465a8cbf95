#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "base/unique_handle.hpp"
#include "storage/storage.hpp"

namespace holdfast::storage {

/// A file that has its layout, in which a writer writes rows of the tables to their places, by plain calls. Writers share pages:
/// what lies beside the rows is not touched. Members throw Error(storage) with path and errno.
class TableFile {
 public:
  TableFile(const std::filesystem::path& path, Engine engine);
  void write(std::uint64_t offset, std::span<const std::byte> rows);

 private:
  std::filesystem::path path_;
  FileDescriptor file_;
};

}  // namespace holdfast::storage
