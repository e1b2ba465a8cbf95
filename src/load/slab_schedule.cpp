#include "load/slab_schedule.hpp"

namespace holdfast::load {

SlabSchedule::SlabSchedule(const std::vector<SharedChunk>& chunks, int rank, Of which) : rank_(rank), which_(which) {
  for (const SharedChunk& chunk : chunks)
    if (which == Of::all || std::ranges::find(chunk.readers, rank) != chunk.readers.end())
      left_.push_back(pending_of(chunk));
  std::ranges::sort(left_, {}, [](const Pending& pending) { return pending.chunk->address; });
}

std::optional<ScheduledSlab> SlabSchedule::next() {
  while (!left_.empty()) {
    while (next_ < left_.size()) {
      const Pending& pending = left_[next_++];
      const bool is_own = pending.chunk->reader_of(place_) == rank_;
      if (!is_own && which_ == Of::own_reads) continue;
      ScheduledSlab scheduled{pending.chunk, place_, pending.chunk->slabs[place_], {}};
      scheduled.parts = parts_in(pending, scheduled.slab.box);
      if (is_own || !scheduled.parts_of(rank_).empty()) return scheduled;
    }
    next_ = 0;
    ++place_;
    std::erase_if(left_, [&](const Pending& pending) { return pending.chunk->slabs.count() <= place_; });
  }
  return std::nullopt;
}

SlabSchedule::Pending SlabSchedule::pending_of(const SharedChunk& chunk) {
  Pending pending{.chunk = &chunk, .numbers = {}, .index = {}};
  std::vector<const Box*> boxes;
  for (const RankBox& want : chunk.wants) {
    const bool is_first = boxes.empty() || chunk.wants[boxes.size() - 1].rank != want.rank;
    pending.numbers.push_back(is_first ? 0 : pending.numbers.back() + 1);
    boxes.push_back(&want.box);
  }
  pending.index = BoxIndex(boxes);
  return pending;
}

std::vector<SlabPart> SlabSchedule::parts_in(const Pending& pending, const Box& slab) {
  pending.index.find(slab, found_);
  std::vector<SlabPart> parts;
  parts.reserve(found_.size());
  for (const std::uint32_t i : found_) {
    const RankBox& want = pending.chunk->wants[i];
    parts.push_back({want.rank, pending.numbers[i], *intersect(want.box, slab)});
  }
  return parts;
}

}  // namespace holdfast::load
