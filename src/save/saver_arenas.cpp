// The Saver's arenas: chooses one for a save, and fits them into the memory of the node.
#include <fmt/format.h>

#include <algorithm>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "plan/fitting.hpp"
#include "save/saver.hpp"
#include "transport/messages.hpp"

namespace holdfast::save {
namespace {

/// The size of an arena for waves is a multiple of this, in bytes.
constexpr std::uint64_t window_granule = 64;

/// Limit of the memory of a node's arenas, and its name in errors.
struct NodeLimit {
  std::uint64_t bytes = 0;
  const char* by = nullptr;
};

/// Returns the limit. The memory of existing arenas, `held`, counts as room too.
NodeLimit limit_of(std::uint64_t option_bytes, std::uint64_t room, std::uint64_t held) {
  if (option_bytes != 0 && option_bytes < room + held) return {option_bytes, "Options::memory_limit_bytes"};
  return {room + held, "the node's shared memory (the size of /dev/shm, or the job's memory limit)"};
}

/// Returns a rank's share of the memory of a node whose saves do not fit.
plan::Window window_of(const NodeLimit& limit, std::uint64_t rank_bytes, std::uint64_t node_bytes) {
  const double share = static_cast<double>(limit.bytes) / static_cast<double>(node_bytes);
  const auto bytes = static_cast<std::uint64_t>(static_cast<double>(rank_bytes) * share);
  return {.bytes = bytes - bytes % window_granule, .limit = limit.by};
}

/// Collective over the ranks of a node. Returns the sums of their demands.
plan::Demand sum(const mpi::Communicator& node, plan::Demand mine) {
  std::uint64_t sums[] = {mine.exact, mine.kept, mine.roomy, mine.held, mine.other, mine.other_kept};
  node.allreduce(std::span<std::uint64_t>(sums), MPI_SUM);
  return {
      .exact = sums[0], .kept = sums[1], .roomy = sums[2], .held = sums[3], .other = sums[4], .other_kept = sums[5]};
}

/// Collective. Returns the minimum over the ranks.
std::int64_t least(const mpi::Communicator& comm, std::int64_t mine) {
  comm.allreduce(std::span(&mine, 1), MPI_MIN);
  return mine;
}

}  // namespace

/// Local. Returns the free slots. With WhenBusy::wait, waits for the oldest save if no slot is free. Saves end in the
/// order in which they began, so all ranks find the same slot free.
SlotFlags Saver::free_slots(WhenBusy when_busy, Deadline deadline) {
  SlotFlags free{};
  std::ranges::transform(slots_, free.begin(), [&](Slot& slot) { return release(slot, Deadline(Seconds(0))); });
  if (when_busy != WhenBusy::wait || std::ranges::find(free, true) != free.end()) return free;
  const auto oldest = std::ranges::min_element(slots_, {}, [](const Slot& slot) { return slot.save->number(); });
  settle(*oldest, deadline);
  free[static_cast<std::size_t>(oldest - slots_.begin())] = true;
  return free;
}

/// Returns true if no save is in flight in the slot any more.
bool Saver::release(Slot& slot, Deadline deadline) {
  if (!slot.save) return true;
  if (!slot.save->settle(deadline)) return false;
  note_failure(*slot.save);
  slot.save.reset();
  return true;
}

void Saver::settle(Slot& slot, Deadline deadline) {
  if (release(slot, deadline)) return;
  throw Error(
      ErrorCode::timeout,
      fmt::format("no arena became free in time: the save of step {} is still being written", slot.save->step()),
      {.host = host_name(), .path = options_.directory.string()});
}

void Saver::settle_all(Deadline deadline) {
  for (Slot& slot : slots_) settle(slot, deadline);
}

/// Logs a failure that the program has not seen, and keeps the first one for close() to throw.
void Saver::note_failure(const Save& save) {
  const std::optional<Error> failure = save.unseen_failure();
  if (!failure) return;
  if (comm_.rank() == 0) log::warning("the save of step {} failed: {}", save.step(), failure->what());
  if (!unseen_failure_) unseen_failure_ = failure;
}

/// Finishes earlier staging, since a stager has one PendingCopy at a time.
void Saver::finish_staging() {
  for (Slot& slot : slots_)
    if (slot.save) slot.save->finish_staging();
}

bool Saver::holds(const Slot& slot, const Planned& planned) noexcept {
  return slot.bytes && *slot.bytes >= planned.plan.arena_bytes;
}

/// Collective. Returns the lowest free slot whose arena holds a save of the plan on all ranks, else the lowest free
/// slot, for which it makes such an arena. Returns none if that needs a wait and `when_busy` is not wait.
std::optional<std::size_t> Saver::choose_slot(Agreement& agreement, WhenBusy when_busy, Deadline deadline) {
  for (;;) {
    std::optional<std::size_t> chosen;
    for (std::size_t slot = most_slots; slot-- > 0;)
      if (agreement.free[slot] && (!chosen || agreement.holds[slot] || !agreement.holds[*chosen])) chosen = slot;
    if (!chosen || agreement.holds[*chosen] || make_room(*chosen, !agreement.free[1 - *chosen])) return chosen;
    if (when_busy != WhenBusy::wait) return std::nullopt;
    mpi::all_or_none(comm_, [&] { settle_all(deadline); });
    agreement.free.fill(true);
  }
}

/// Collective. Gives a free slot an arena that holds a save of the plan. If every node has room for two such arenas on
/// each of its ranks, the other slot keeps its arena, or gives it back until its turn. If there is room for one, saves
/// of this plan use one arena. Otherwise they go through it in waves (plan/waves.hpp). Returns false, and changes
/// nothing, if a save in flight occupies the memory.
bool Saver::make_room(std::size_t slot, bool other_busy) {
  Planned& planned = plans_.front();
  if (planned.arenas == 1 && other_busy) return false;
  const std::size_t other = 1 - slot;
  const std::uint64_t room = ask_room();
  const plan::Demand mine =
      plan::demand_of(planned.plan.arena_bytes, slots_[slot].bytes.value_or(0), slots_[other].bytes.value_or(0));
  const plan::Demand node = sum(node_, mine);
  const NodeLimit limit = limit_of(options_.memory_limit_bytes, room, node.held);
  const int fitting_here = plan::arenas_that_fit(node, limit.bytes);
  const auto arenas = static_cast<int>(least(comm_, fitting_here));
  const plan::Fitting fitting = plan::fit(node, limit.bytes, arenas, other_busy);
  if (least(comm_, fitting.other_in_the_way ? 0 : 1) == 0) return false;
  std::uint64_t bytes = plan::bytes_of(mine, fitting.size);
  if (arenas == 0) {
    go_in_waves(fitting_here == 0 ? std::optional(window_of(limit, mine.exact, node.exact)) : std::nullopt);
    bytes = planned.plan.arena_bytes;
  }
  planned.arenas = arenas == 2 ? 2 : 1;
  replace_arenas(slot, bytes, fitting.close_other);
  return true;
}

/// Collective. Gives back arenas on all ranks before any rank asks for a new one.
void Saver::replace_arenas(std::size_t slot, std::uint64_t bytes, bool close_other) {
  mpi::all_or_none(comm_, [&] {
    if (close_other) open_arena(1 - slot, 0);
    if (slots_[slot].bytes != bytes) open_arena(slot, 0);
  });
  mpi::all_or_none(comm_, [&] { open_arena(slot, bytes); });
}

/// Collective. Returns the smallest room that the helpers report to the ranks of this node, in bytes.
std::uint64_t Saver::ask_room() {
  const Deadline deadline{Seconds(options_.save_timeout_s)};
  std::uint64_t room[] = {0};
  mpi::all_or_none(comm_, [&] {
    for (std::size_t slot = 0; slot < most_slots; ++slot)
      if (!slots_[slot].bytes) open_arena(slot, 0);  // its size is not known
  });
  mpi::all_or_none(comm_,
                   [&] { room[0] = helpers_->client()->ask<transport::Room>(transport::AskRoom{}, deadline).bytes; });
  node_.allreduce(std::span<std::uint64_t>(room), MPI_MIN);
  return room[0];
}

/// Collective. Places this rank's part of the plan in waves if `window` is set, and gives all ranks the same number of
/// waves. The plan gets a new id, since it is a new plan for the helper.
void Saver::go_in_waves(const std::optional<plan::Window>& window) {
  Planned& planned = plans_.front();
  std::uint64_t waves[] = {planned.plan.waves};
  mpi::all_or_none(comm_, [&] {
    if (window) waves[0] = plan::place_in_waves(planned.plan, local_.items, *window);
  });
  comm_.allreduce(std::span<std::uint64_t>(waves), MPI_MAX);
  planned.plan.waves = static_cast<std::uint32_t>(waves[0]);
  planned.plan.id = next_plan_++;
  planned.sent = false;
  if (comm_.rank() == 0) log::info("a save takes more memory than the nodes have: it goes in {} waves", waves[0]);
}

void Saver::open_arena(std::size_t slot, std::uint64_t bytes) {
  if (slots_[slot].bytes == bytes) return;
  slots_[slot] = {.arena = {}, .bytes = {}, .save = {}};
  const transport::ArenaReady ready = helpers_->client()->open_arena(static_cast<std::uint32_t>(slot), bytes,
                                                                     Deadline(Seconds(options_.save_timeout_s)));
  if (bytes != 0)
    slots_[slot].arena = std::make_shared<PinnedArena>(
        PinnedArena{.number = ready.arena, .arena = helpers_->client()->connection().map(ready), .pinned = {}});
  slots_[slot].bytes = bytes;
}

}  // namespace holdfast::save
