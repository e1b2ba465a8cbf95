#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/last_two.hpp"
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
/// content. HDF5 takes some 50 microseconds for a dataset, so a file of one of the last two plans (SaveRequest::plan; 0 is none)
/// gets a copy of the metadata made for that, in which only the attributes that differ are written anew: byte for byte the same
/// file. Another number of abandoned ranges has no room there: after a program went back, the metadata is made once more.
class LayoutMaker {
 public:
  explicit LayoutMaker(FileSettings settings) : settings_(std::move(settings)) {}
  [[nodiscard]] Layout make(const std::filesystem::path& path, const SaveRequest& request, const TableSizes& sizes,
                            const Title& title, Space space);
  /// Of the datasets and shapes tables of the last file.
  [[nodiscard]] const Checksum& definitions() const noexcept { return definitions_; }

 private:
  /// What a file of the same plan needs.
  struct Made {
    Layout layout;
    Checksum definitions;
    hdf5::StagedFile::Image image;
    std::size_t abandoned;  ///< ranges that it has room for
  };
  [[nodiscard]] Made make_anew(const std::filesystem::path& path, const SaveRequest& request, const TableSizes& sizes,
                               const Title& title, bool is_new) const;

  const FileSettings settings_;
  LastTwo<Made> made_;  ///< by plan
  Checksum definitions_;
};

}  // namespace holdfast::storage
