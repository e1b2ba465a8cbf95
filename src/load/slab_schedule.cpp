#include "load/slab_schedule.hpp"

namespace holdfast::load {

SlabSchedule::SlabSchedule(const std::vector<SharedChunk>& chunks, int rank, Of which) : rank_(rank), which_(which) {
  for (const SharedChunk& chunk : chunks)
    if (which == Of::all || std::ranges::find(chunk.readers, rank) != chunk.readers.end())
      left_.push_back(entry_of(chunk));
  std::ranges::sort(left_, {}, [](const Entry& entry) { return entry.chunk->address; });
}

std::optional<ScheduledSlab> SlabSchedule::next() {
  while (!left_.empty()) {
    while (next_ < left_.size()) {
      const Entry& entry = left_[next_++];
      const bool is_own = entry.chunk->reader_of(place_) == rank_;
      if (!is_own && which_ == Of::own_reads) continue;
      ScheduledSlab scheduled{entry.chunk, place_, entry.chunk->slabs[place_], {}};
      scheduled.parts = parts_in(entry, scheduled.slab.box);
      if (is_own || !scheduled.parts_of(rank_).empty()) return scheduled;
    }
    next_ = 0;
    ++place_;
    std::erase_if(left_, [&](const Entry& entry) { return entry.chunk->slabs.count() <= place_; });
  }
  return std::nullopt;
}

SlabSchedule::Entry SlabSchedule::entry_of(const SharedChunk& chunk) {
  Entry entry{.chunk = &chunk, .numbers = {}, .index = {}};
  std::vector<const Box*> boxes;
  for (const RankBox& want : chunk.wants) {
    const bool is_first = boxes.empty() || chunk.wants[boxes.size() - 1].rank != want.rank;
    entry.numbers.push_back(is_first ? 0 : entry.numbers.back() + 1);
    boxes.push_back(&want.box);
  }
  entry.index = BoxIndex(boxes);
  return entry;
}

std::vector<SlabPart> SlabSchedule::parts_in(const Entry& entry, const Box& slab) {
  entry.index.find(slab, found_);
  std::vector<SlabPart> parts;
  parts.reserve(found_.size());
  for (const std::uint32_t i : found_) {
    const RankBox& want = entry.chunk->wants[i];
    parts.push_back({want.rank, entry.numbers[i], *intersect(want.box, slab)});
  }
  return parts;
}

}  // namespace holdfast::load
