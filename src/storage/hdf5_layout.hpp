#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/storage.hpp"
#include "storage/tables.hpp"

/// What one process does alone to a checkpoint file, before and after all of them write the data. Local.
namespace holdfast::storage {

/// A file that is made, as all writers hear of it.
struct Layout {
  std::uint64_t file_bytes = 0;
  std::vector<std::uint64_t> addresses;  ///< where each dataset of the request begins; 0 for one without bytes
  Engine engine = Engine::automatic;     ///< who writes the data
  static void fields(auto& codec, auto& self) { codec(self.file_bytes, self.addresses, self.engine); }
};

/// Makes the file: attributes, groups, all datasets with their places, the tables without content.
[[nodiscard]] Layout create_layout(const std::filesystem::path& path, const SaveRequest& request, const TableSizes& sizes,
                                   const std::string& created, const FileSettings& settings, Space space);

/// Fills the tables in and sets their checksum.
void write_tables(const std::filesystem::path& path, const Tables& tables);

}  // namespace holdfast::storage
