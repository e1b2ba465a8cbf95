#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/storage.hpp"
#include "storage/tables.hpp"
#include "wrap/hdf5_staged.hpp"

/// What one process does alone to a checkpoint file, before all of them write the data. Local.
namespace holdfast::storage {

/// Where the tables begin that are written with the data; 0 for one without rows.
struct TablePlaces {
  std::uint64_t chunks = 0;
  std::uint64_t boxes = 0;
  std::uint64_t parts = 0;
  static void fields(auto& codec, auto& self) { codec(self.chunks, self.boxes, self.parts); }
};

/// A file that is made, as all writers hear of it.
struct Layout {
  std::uint64_t file_bytes = 0;
  std::vector<std::uint64_t> addresses;  ///< where each dataset of the request begins; 0 for one without bytes
  TablePlaces tables;
  Engine engine = Engine::automatic;  ///< who writes the data
  static void fields(auto& codec, auto& self) { codec(self.file_bytes, self.addresses, self.tables, self.engine); }
};

/// Makes files: attributes, groups, all datasets with their places, the tables of datasets and shapes, the other tables without
/// content. HDF5 takes some 50 microseconds for a dataset, so a file of the same plan as the one before (SaveRequest::plan; 0 is
/// none) gets a copy of that one's metadata, in which only the attributes that differ are written anew: byte for byte the same
/// file.
class LayoutMaker {
 public:
  explicit LayoutMaker(FileSettings settings) : settings_(std::move(settings)) {}
  [[nodiscard]] Layout make(const std::filesystem::path& path, const SaveRequest& request, const TableSizes& sizes,
                            const std::string& created, Space space);
  /// Of the datasets and shapes tables of the last file.
  [[nodiscard]] const Checksum& definitions() const noexcept { return definitions_; }

 private:
  void make_anew(const std::filesystem::path& path, const SaveRequest& request, const TableSizes& sizes,
                 const std::string& created, bool is_new);
  void make_again(const std::filesystem::path& path, const SaveRequest& request, const std::string& created, bool is_new);

  const FileSettings settings_;
  std::uint64_t plan_ = 0;  ///< of what follows
  Layout layout_;
  Checksum definitions_;
  hdf5::StagedFile::Image image_;
};

}  // namespace holdfast::storage
