#pragma once

#include <cstdint>
#include <holdfast/options.hpp>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/checksum.hpp"
#include "plan/names.hpp"
#include "storage/read/block_reader.hpp"
#include "storage/read/source.hpp"
#include "tensor/box_index.hpp"

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

/// What a file has, as it is known before its chunk table is read.
struct SavedContent {
  std::span<const plan::Dataset> datasets;
  const plan::Names& names;
  int world_size = 0;
};

/// Finds what one rank reads: the intersections of the boxes that it wants with those that were saved. Says first which
/// chunks that takes, so that only these rows of the chunk table are kept. Takes about N log N steps for N boxes and
/// chunks, however they belong together. Pure.
class Resharding {
 public:
  /// `wanted` and `saved` are borrowed. Throws Error(mismatch), naming the tensor and both sides, where kind, global
  /// shape or (unless options.convert) dtype differ. Vectors and strings take the file's length.
  Resharding(std::span<const plan::Item> wanted, const SavedContent& saved, int rank, const LoadOptions& options);

  /// The chunks that reads() needs. Borrows from this object.
  [[nodiscard]] storage::Interests interests() const;
  /// The read list. Called once, with at least the chunks of interests(), all inside their datasets. A per-rank value
  /// that the source rank did not save is missing. Throws Error(mismatch) for a per-rank value that is one number on
  /// one side only, Error(corrupt) where the chunks do not cover what is wanted.
  [[nodiscard]] ReadList reads(std::span<const storage::ChunkRecord> chunks);

 private:
  /// What this rank wants of one dataset.
  struct Wish {
    std::vector<std::uint32_t> reads;  ///< positions in list_.reads
    BoxIndex boxes;                    ///< boxes of `reads`; not used for per-rank values
  };

  void add(std::uint32_t number, const plan::Item& item);
  void add_parts(const storage::ChunkRecord& chunk, std::uint32_t number);
  void check_cover(const BoxRead& read) const;
  void finish_per_rank();

  const std::span<const plan::Item> wanted_;
  const SavedContent saved_;
  const LoadOptions& options_;
  const int source_rank_;                 ///< rank whose per-rank values are loaded
  std::map<std::uint32_t, Wish> wishes_;  ///< by dataset
  std::set<std::string_view> missing_;    ///< names in list_.missing, while items are added
  std::vector<std::uint32_t> found_;      ///< memory of add_parts()
  ReadList list_;
};

}  // namespace holdfast::load
