#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/last_two.hpp"
#include "storage/format/tables.hpp"
#include "storage/write/checkpoint_file.hpp"
#include "wrap/hdf5_buffered_file.hpp"

/// Makes a checkpoint file. Writer 0 does this alone, before all writers write the data. Local.
namespace holdfast::storage {

/// File offsets of the tables that are written with the data; 0 for a table without rows.
struct TablePlaces {
  std::uint64_t chunks = 0;
  std::uint64_t boxes = 0;
  std::uint64_t parts = 0;
  static void fields(auto& codec, auto& self) { codec(self.chunks, self.boxes, self.parts); }
};

/// The layout of a new file, which writer 0 sends to all.
struct FileLayout {
  std::uint64_t file_bytes = 0;
  std::vector<std::uint64_t> addresses;  ///< file offset of each dataset of the request; 0 if without bytes
  TablePlaces tables;
  Engine engine = Engine::automatic;  ///< engine that writes the data
  static void fields(auto& codec, auto& self) { codec(self.file_bytes, self.addresses, self.tables, self.engine); }
};

/// Makes files: attributes, groups, all datasets with their places, the datasets and shapes tables, the other tables
/// without content. HDF5 takes some 50 microseconds per dataset, so a file of one of the last two plans
/// (SaveRequest::plan; 0 is none) gets a copy of the metadata made for that plan. Only the attributes that differ are
/// written anew; the file is the same byte for byte. The copy has room for one number of abandoned ranges: after a
/// program went back, the metadata is made anew.
class LayoutMaker {
 public:
  explicit LayoutMaker(FileSettings settings) : settings_(std::move(settings)) {}
  [[nodiscard]] FileLayout make(const std::filesystem::path& path, const SaveRequest& request, const TableSizes& sizes,
                                const Title& title, FileSpace space);
  /// Checksum of the datasets and shapes tables of the last file.
  [[nodiscard]] const Checksum& definitions() const noexcept { return definitions_; }

 private:
  /// What the next file of the same plan reuses.
  struct Made {
    FileLayout layout;
    Checksum definitions;
    hdf5::BufferedFile::Image image;
    std::size_t abandoned;  ///< number of abandoned ranges that the image has room for
  };
  [[nodiscard]] Made make_anew(const std::filesystem::path& path, const SaveRequest& request, const TableSizes& sizes,
                               const Title& title, bool is_new) const;

  const FileSettings settings_;
  LastTwo<Made> made_;  ///< by plan
  Checksum definitions_;
};

}  // namespace holdfast::storage
