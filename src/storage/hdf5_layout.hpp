#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "storage/storage.hpp"
#include "storage/tables.hpp"

/// What one process does alone to a checkpoint file, before and after all of them write the data. Local.
namespace holdfast::storage {

/// Makes the file: attributes, groups, all datasets with their places, the tables without content. Returns its bytes.
std::uint64_t create_layout(const std::filesystem::path& path, const SaveRequest& request, const TableSizes& sizes,
                            const std::string& created, const FileSettings& settings);

/// Fills the tables in and sets their checksum.
void write_tables(const std::filesystem::path& path, const Tables& tables);

}  // namespace holdfast::storage
