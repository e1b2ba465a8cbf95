#include "load/reshard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "tensor/convert.hpp"

namespace holdfast::load {
namespace {

using plan::Dataset;
using plan::DatasetKind;
using plan::Item;

[[noreturn]] void mismatch(const Item& item, std::string sentence) {
  throw Error(ErrorCode::mismatch, std::move(sentence), {.tensor = item.shown()});
}

[[noreturn]] void corrupt(const std::string& name, std::string sentence) {
  throw Error(ErrorCode::corrupt, std::move(sentence), {.tensor = name});
}

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

}  // namespace

Resharding::Resharding(std::span<const Item> wanted, const SavedContent& saved, int rank, const LoadOptions& options)
    : wanted_(wanted), saved_(saved), options_(options), source_rank_(source_of(rank, saved.world_size)) {
  list_.dataset_used.resize(saved.datasets.size());
  for (std::uint32_t i = 0; i < wanted.size(); ++i) add(i, wanted[i]);
  std::vector<const Box*> boxes;
  for (auto& [dataset, wish] : wishes_) {
    boxes.clear();
    for (const std::uint32_t read : wish.reads) boxes.push_back(&list_.reads[read].box);
    wish.boxes = BoxIndex(boxes);
  }
}

/// The box of a per-rank value is that of its chunk, and has no dimensions until that is known.
void Resharding::add(std::uint32_t number, const Item& item) {
  const std::optional<std::uint32_t> found = saved_.names.find(item.name);
  if (!found) {
    if (missing_.insert(item.shown()).second) list_.missing.push_back(item.shown());
    return;
  }
  const Dataset& dataset = saved_.datasets[*found];
  list_.dataset_used[*found] = true;
  check_kind_and_dtype(item, dataset, options_);
  BoxRead read{.item = number, .dataset = *found, .box = {}};
  if (!is_per_rank_kind(item.kind)) {
    check_shape(item, dataset);
    read.box = item.kind == DatasetKind::tensor ? item.box : whole(dataset.global);
    if (item.kind == DatasetKind::tensor && empty(read.box)) return;
  }
  wishes_[*found].reads.push_back(static_cast<std::uint32_t>(list_.reads.size()));
  list_.reads.push_back(std::move(read));
}

storage::Interests Resharding::interests() const {
  storage::Interests interests(saved_.datasets.size());
  for (const auto& [dataset, wish] : wishes_) {
    if (is_per_rank_kind(saved_.datasets[dataset].kind))
      interests[dataset] = {.rank = source_rank_};
    else
      interests[dataset] = {.boxes = &wish.boxes};
  }
  return interests;
}

ReadList Resharding::reads(std::span<const storage::ChunkRecord> chunks) {
  for (std::uint32_t i = 0; i < chunks.size(); ++i) add_parts(chunks[i], i);
  finish_per_rank();
  for (const BoxRead& read : list_.reads) check_cover(read);
  return std::move(list_);
}

/// Adds what is wanted of a chunk to the reads.
void Resharding::add_parts(const storage::ChunkRecord& chunk, std::uint32_t number) {
  const auto wish = wishes_.find(chunk.dataset);
  if (wish == wishes_.end()) return;
  const std::vector<std::uint32_t>& reads = wish->second.reads;
  if (!is_per_rank_kind(saved_.datasets[chunk.dataset].kind)) {
    wish->second.boxes.find(chunk.box, found_);
    for (const std::uint32_t i : found_) {
      BoxRead& read = list_.reads[reads[i]];
      read.parts.push_back({number, *intersect(chunk.box, read.box)});
    }
  } else if (chunk.rank == source_rank_) {  // a rank that saved a value has exactly one chunk of it
    BoxRead& read = list_.reads[reads.front()];
    read.box = chunk.box;
    if (!empty(chunk.box)) read.parts = {{number, chunk.box}};
  }
}

/// Takes out the reads of per-rank values that the source rank did not save.
void Resharding::finish_per_rank() {
  std::erase_if(list_.reads, [&](const BoxRead& read) {
    const Item& item = wanted_[read.item];
    if (!is_per_rank_kind(item.kind)) return false;
    if (read.box.dimensions() == 0) {
      list_.missing.push_back(item.shown());
      return true;
    }
    if (item.box.dimensions() == 0 && volume(read.box.extent) != 1)
      mismatch(item, fmt::format("rank {} saved {} numbers, and the program wants one", source_rank_,
                                 volume(read.box.extent)));
    return false;
  });
}

/// The parts of a read must cover it: no checksum guards what no chunk covers.
void Resharding::check_cover(const BoxRead& read) const {
  std::uint64_t covered = 0;
  for (const ChunkPart& part : read.parts) covered += volume(part.box.extent);
  if (covered != volume(read.box.extent))
    corrupt(saved_.datasets[read.dataset].name, fmt::format("the file has {} of the {} elements in {}", covered,
                                                            volume(read.box.extent), to_string(read.box)));
}

}  // namespace holdfast::load
