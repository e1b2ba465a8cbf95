#pragma once

#include <cstdint>
#include <holdfast/options.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/checksum.hpp"
#include "plan/names.hpp"
#include "storage/read/block_reader.hpp"
#include "storage/read/checkpoint_reader.hpp"

namespace holdfast::load {

/// How a part is read.
struct ReadMode {
  bool is_shared = false;   ///< shared_read() reads the chunk and delivers the part
  Checksum* sum = nullptr;  ///< checksum that its bytes are added to, or null
  storage::PageCache page_cache = storage::PageCache::avoid;
};

/// The part of a box that lies in one chunk.
struct ChunkPart {
  std::uint32_t chunk = 0;
  Box box;             ///< in the dataset's coordinates; not empty
  ReadMode mode = {};  ///< set before it is read
};

/// One read: a box of a dataset into the memory of an item. A value always has one, even of an empty box, since it says
/// how long the value is in the file.
struct BoxRead {
  std::uint32_t item = 0;
  std::uint32_t dataset = 0;
  Box box;                            ///< in the dataset's coordinates
  std::vector<ChunkPart> parts = {};  ///< parts that make up the box
};

/// What one rank reads to load its items.
struct ReadList {
  std::vector<BoxRead> reads;
  std::vector<std::string> missing;  ///< names of items that the file does not have
  std::vector<bool> dataset_used;    ///< by position in the file: does the rank have an item of this name?
};

/// What the file contains.
struct SavedContent {
  std::span<const plan::Dataset> datasets;
  const plan::Names& names;
  std::span<const storage::ChunkRecord> chunks;
  int world_size = 0;
};

/// The chunks of a dataset that reshard() needs for an item of the same name. Borrows the item's box.
[[nodiscard]] storage::Interest interest_of(const plan::Item& item, const plan::Dataset& dataset, int world_size,
                                            int rank);

/// The read list of `rank`: the intersections of saved and wanted boxes. Pure. Throws Error(mismatch), naming the
/// tensor and both sides, where kind, global shape or (unless options.convert) dtype differ; Error(corrupt) where the
/// file's chunks do not cover what is wanted. Vectors and strings take the file's length. A per-rank value that the
/// source rank did not save is missing.
[[nodiscard]] ReadList reshard(std::span<const plan::Item> wanted, const SavedContent& saved, int rank,
                               const LoadOptions& options);

}  // namespace holdfast::load
