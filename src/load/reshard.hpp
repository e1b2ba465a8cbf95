#pragma once

#include <cstdint>
#include <holdfast/options.hpp>
#include <span>
#include <string>
#include <vector>

#include "plan/names.hpp"
#include "storage/reader.hpp"

namespace holdfast::load {

/// What of a box one chunk has.
struct Part {
  std::uint32_t chunk = 0;
  Box box;  ///< in the dataset's coordinates; not empty
};

/// One read: a box of a dataset into the memory of an item. Values always have one, though it may be of an empty box: it
/// says how long the value is in the file.
struct Read {
  std::uint32_t item = 0;
  std::uint32_t dataset = 0;
  Box box;                       ///< in the dataset's coordinates
  std::vector<Part> parts = {};  ///< what makes up the box
};

/// What one rank has to do to load its items.
struct ReadList {
  std::vector<Read> reads;
  std::vector<std::string> missing;  ///< names of items that the file does not have
  std::vector<bool> dataset_used;    ///< by position in the file
};

/// What the file has.
struct Saved {
  std::span<const plan::Dataset> datasets;
  const plan::Names& names;
  std::span<const storage::ChunkRecord> chunks;
  int world_size = 0;
};

/// The chunks that reshard() has to see of a dataset for an item of its name; it need not see others. Borrows the item's box.
[[nodiscard]] storage::Interest interest_of(const plan::Item& item, const plan::Dataset& dataset, int world_size, int rank);

/// Saved boxes x wanted boxes: the read list of `rank`. Pure. Throws Error(mismatch), naming the tensor and both sides,
/// where kind, global shape or (unless options.convert) dtype differ; Error(corrupt) where the file's chunks do not cover
/// what is wanted. Vectors and strings take the file's length. A per-rank value that the source rank did not save is
/// missing.
[[nodiscard]] ReadList reshard(std::span<const plan::Item> wanted, const Saved& saved, int rank, const LoadOptions& options);

}  // namespace holdfast::load
