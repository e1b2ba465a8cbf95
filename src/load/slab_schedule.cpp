#include "load/slab_schedule.hpp"

#include <algorithm>

namespace holdfast::load {

std::optional<Box> ScheduledSlab::part_of(int rank) const {
  const auto want = std::ranges::lower_bound(chunk->wants, rank, {}, &RankBox::rank);
  if (want == chunk->wants.end() || want->rank != rank) return std::nullopt;
  return intersect(want->box, slab.box);
}

SlabSchedule::SlabSchedule(const std::vector<SharedChunk>& chunks, int rank, Of which) : rank_(rank), which_(which) {
  for (const SharedChunk& chunk : chunks) left_.push_back(&chunk);
  std::ranges::sort(left_, {}, &SharedChunk::address);
}

std::optional<ScheduledSlab> SlabSchedule::next() {
  while (!left_.empty()) {
    while (next_ < left_.size()) {
      const SharedChunk& chunk = *left_[next_++];
      const bool is_own = chunk.reader_of(place_) == rank_;
      if (!is_own && which_ == Of::own_reads) continue;
      ScheduledSlab turn{&chunk, place_, chunk.slabs[place_]};
      if (is_own || turn.part_of(rank_)) return turn;
    }
    next_ = 0;
    ++place_;
    std::erase_if(left_, [&](const SharedChunk* chunk) { return chunk->slabs.count() <= place_; });
  }
  return std::nullopt;
}

}  // namespace holdfast::load
