#include "save/staging.hpp"

#include <algorithm>

#include "base/stream_copy.hpp"

namespace holdfast::save {

void PinnedArena::prepare(stage::Stager& stager, std::span<const stage::Copy> copies) {
  if (prepared || !arena) return;
  if (std::ranges::none_of(copies, [](const stage::Copy& copy) { return copy.space.on_device(); })) return;
  prepared = true;
  pinned = stager.prepare(copies, arena->memory());
}

std::vector<stage::Copy> copies_of(const plan::RankPlan& plan, const plan::LocalPlan& local,
                                   const std::vector<cuda::MemorySpace>& spaces, const PieceSelection& selection,
                                   std::byte* arena) {
  std::vector<stage::Copy> copies;
  copies.reserve(plan.pieces.size());
  for (const plan::Piece& piece : plan.pieces) {
    if (piece.item < selection.first || piece.item >= selection.last) continue;
    if (piece.wave != selection.wave || piece.bytes == 0) continue;
    const plan::Item& item = local.items[piece.item];
    const Box& box = plan::is_per_rank_kind(item.kind) ? item.box : piece.box;
    const TensorView& view = local.memory[piece.item];
    copies.push_back({.from = memory_of(view, box),
                      .to = arena + piece.arena_offset,
                      .space = spaces[piece.item],
                      .tensor = item.shown()});
    if (view.dtype != item.dtype) copies.back().conversion = {view.dtype, item.dtype};
  }
  return copies;
}

void Staging::copy_now(std::vector<stage::Copy> copies) {
  attempt([&] { stager_->begin(std::move(copies), nullptr)->finish(Deadline(Seconds(timeout_s_))); });
}

void Staging::begin(std::vector<stage::Copy> copies, cuda::Stream after) {
  attempt([&] {
    if (arena_) arena_->prepare(*stager_, copies);
    pending_ = stager_->begin(std::move(copies), after);
  });
}

double Staging::finish() {
  const cuda::ProfilerRange range("holdfast: stage");
  const Stopwatch watch;
  const Deadline deadline{Seconds(timeout_s_)};
  attempt([&] { pending_->finish(deadline); });
  attempt([&] {
    if (arena_) arena_->arena->deliver(bytes_, deadline);
  });
  arena_.reset();  // a future may keep this object for longer than the arena exists
  staged_.copy = copy_in_words();
  client_->send(staged_, deadline);
  if (staged_.failed) throw to_error(staged_.error);
  return watch.seconds();
}

}  // namespace holdfast::save
