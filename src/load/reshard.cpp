#include "load/reshard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "tensor/convert.hpp"

namespace holdfast::load {
namespace {

using plan::Dataset;
using plan::DatasetKind;
using plan::Item;

[[noreturn]] void mismatch(const Item& item, std::string sentence) {
  throw Error(ErrorCode::mismatch, std::move(sentence), {.tensor = item.name});
}

[[noreturn]] void corrupt(const std::string& name, std::string sentence) {
  throw Error(ErrorCode::corrupt, std::move(sentence), {.tensor = name});
}

/// The numbers of each dataset's chunks.
class ChunkLists {
 public:
  explicit ChunkLists(const SavedContent& saved) : begins_(saved.datasets.size() + 1), chunks_(saved.chunks.size()) {
    for (std::uint32_t i = 0; i < chunks_.size(); ++i) ++begins_[checked(saved, i) + 1];
    std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
    std::vector<std::uint32_t> ends = begins_;
    for (std::uint32_t i = 0; i < chunks_.size(); ++i) chunks_[ends[saved.chunks[i].dataset]++] = i;
  }

  [[nodiscard]] std::span<const std::uint32_t> of(std::uint32_t dataset) const {
    return std::span(chunks_).subspan(begins_[dataset], begins_[dataset + 1] - begins_[dataset]);
  }

 private:
  /// The dataset of chunk `i`. Throws Error(corrupt) if the chunk belongs to no dataset or lies outside it.
  static std::uint32_t checked(const SavedContent& saved, std::uint32_t i) {
    const storage::ChunkRecord& chunk = saved.chunks[i];
    if (chunk.dataset >= saved.datasets.size()) corrupt({}, fmt::format("chunk {} belongs to no dataset", i));
    const Dataset& dataset = saved.datasets[chunk.dataset];
    if (!inside(chunk.box, dataset.global))
      corrupt(dataset.name, fmt::format("chunk {} lies outside the tensor", to_string(chunk.box)));
    return chunk.dataset;
  }

  std::vector<std::uint32_t> begins_;  ///< where each dataset begins in chunks_, and the end
  std::vector<std::uint32_t> chunks_;  ///< numbers of chunks, dataset by dataset
};

void check_kind_and_dtype(const Item& item, const Dataset& dataset, const LoadOptions& options) {
  if (item.kind != dataset.kind)
    mismatch(item,
             fmt::format("it is {} in the file, and {} in the program", in_words(dataset.kind), in_words(item.kind)));
  const bool fits = item.dtype == dataset.dtype || (options.convert && convertible(dataset.dtype, item.dtype));
  if (!fits)
    mismatch(item, fmt::format("the dtype is {} in the file, and {} in the program{}", to_string(dataset.dtype),
                               to_string(item.dtype), options.convert ? ", and there is no conversion" : ""));
}

/// Vectors and strings may have another length in the file; everything else has to be as it was.
void check_shape(const Item& item, const Dataset& dataset) {
  const bool resizable = item.kind != DatasetKind::tensor && item.global.size() == 1 && dataset.global.size() == 1;
  if (item.global != dataset.global && !resizable)
    mismatch(item, fmt::format("the global shape is {} in the file, and {} in the program", to_string(dataset.global),
                               to_string(item.global)));
}

/// The rank whose per-rank values `rank` loads.
int source_of(int rank, int world_size) {
  return world_size > 0 ? rank % world_size : rank;
}

class Resharder {
 public:
  Resharder(const SavedContent& saved, int rank, const LoadOptions& options)
      : saved_(saved), chunks_(saved), options_(options) {
    source_rank_ = source_of(rank, saved.world_size);
    list_.dataset_used.resize(saved.datasets.size());
  }

  void add(std::uint32_t number, const Item& item) {
    const std::optional<std::uint32_t> found = saved_.names.find(item.name);
    if (!found) return list_.missing.push_back(item.name);
    const Dataset& dataset = saved_.datasets[*found];
    list_.dataset_used[*found] = true;
    check_kind_and_dtype(item, dataset, options_);
    if (is_per_rank_kind(item.kind)) return add_per_rank({.item = number, .dataset = *found, .box = {}}, item);
    check_shape(item, dataset);
    if (item.kind == DatasetKind::tensor)
      add_tensor({.item = number, .dataset = *found, .box = item.box});
    else
      add_read({.item = number, .dataset = *found, .box = whole(dataset.global)});
  }

  ReadList take() { return std::move(list_); }

 private:
  void add_tensor(BoxRead read) {
    if (!empty(read.box)) add_read(std::move(read));
  }

  /// A rank that saved a value has exactly one chunk of it.
  void add_per_rank(BoxRead read, const Item& item) {
    for (const std::uint32_t i : chunks_.of(read.dataset)) {
      if (saved_.chunks[i].rank != source_rank_) continue;
      read.box = saved_.chunks[i].box;
      if (item.box.dimensions() == 0 && volume(read.box.extent) != 1)
        mismatch(item, fmt::format("rank {} saved {} numbers, and the program wants one", source_rank_,
                                   volume(read.box.extent)));
      return add_read(std::move(read));
    }
    list_.missing.push_back(item.name);
  }

  /// Adds the read and its parts, which must cover it: no checksum guards what no chunk covers.
  void add_read(BoxRead read) {
    std::uint64_t covered = 0;
    for (const std::uint32_t i : chunks_.of(read.dataset)) {
      auto common = intersect(saved_.chunks[i].box, read.box);
      if (!common) continue;
      covered += volume(common->extent);
      read.parts.push_back({i, *std::move(common)});
    }
    if (covered != volume(read.box.extent))
      corrupt(saved_.datasets[read.dataset].name, fmt::format("the file has {} of the {} elements in {}", covered,
                                                              volume(read.box.extent), to_string(read.box)));
    list_.reads.push_back(std::move(read));
  }

  const SavedContent& saved_;
  ChunkLists chunks_;
  const LoadOptions& options_;
  int source_rank_;
  ReadList list_;
};

}  // namespace

storage::Interest interest_of(const Item& item, const Dataset& dataset, int world_size, int rank) {
  if (is_per_rank_kind(item.kind)) return {.rank = source_of(rank, world_size)};
  if (item.kind == DatasetKind::tensor && item.box.dimensions() == dataset.global.size()) return {.box = &item.box};
  return {};
}

ReadList reshard(std::span<const Item> wanted, const SavedContent& saved, int rank, const LoadOptions& options) {
  Resharder resharder(saved, rank, options);
  for (std::uint32_t i = 0; i < wanted.size(); ++i) resharder.add(i, wanted[i]);
  return resharder.take();
}

}  // namespace holdfast::load
