#include "api/saver.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/replica_check.hpp"
#include "base/error_text.hpp"
#include "base/log.hpp"
#include "helper/layout.hpp"
#include "plan/exchange.hpp"
#include "plan/waves.hpp"
#include "stage/cuda_stager.hpp"
#include "stage/places.hpp"
#include "transport/messages.hpp"

namespace holdfast::api {
namespace {

/// Of an arena that a save goes through in waves, in bytes.
constexpr std::uint64_t window_granule = 64;
std::int64_t as_number(const SaveOptions& options) {
  return static_cast<std::int64_t>(options.when_busy) * 2 + options.overlap_staging;
}

}  // namespace

Saver::Saver(const mpi::Communicator& comm, Options options)
    : comm_(comm),
      options_(std::move(options)),
      node_(comm.split_by_node()),
      grid_(comm),
      note_lost_save_(comm.rank() == 0 ? lost_saves_log(options_) : NoteLostSave{}),
      slots_(most_slots) {
  try {
    start_helpers();
  } catch (...) {
    grid_.free();  // collective, as the failure is
    node_.free();
    throw;
  }
}

void Saver::warm_up(const StateDict& state) {
  static_cast<void>(prepare(0, state, {}));
  for (Slot& slot : slots_)
    if (slot.landing) slot.landing->prepare(*stager_, copies_of({0, local_.tensors, 0}, slot));
}

SaveFuture Saver::async_save(std::int64_t step, const StateDict& state, const SaveOptions& options) {
  const Stopwatch watch;
  const Prepared prepared = prepare(step, state, options);
  if (prepared.skip) return SaveFuture(std::make_shared<Save>(step));
  if (options_.check_replicas)
    require_equal_replicas(grid_, local_, places_, options.stream, Deadline(Seconds(options_.save_timeout_s)));
  SaveStats stats{
      .step = step, .path = {}, .rank_bytes = plan_.staged_bytes, .plan_cached = prepared.plan_cached, .plan_s = watch.seconds()};
  std::shared_ptr<Save> save = stage(options, std::move(stats));
  save->blocked_for(watch.seconds());
  return SaveFuture(std::move(save));
}

/// Everything before the copy: afterwards all ranks have a plan for this state, and a free arena that fits it.
Saver::Prepared Saver::prepare(std::int64_t step, const StateDict& state, const SaveOptions& options) {
  const cuda::Range range("holdfast: plan");
  Prepared prepared;
  const Verdict verdict = agree(comm_, propose(step, state, options));
  if (!verdict.helper_up)
    restart();
  else if (!verdict.arena_free) {
    if (options.when_busy != WhenBusy::skip) throw Error(ErrorCode::busy, "both arenas hold saves that are still being written");
    prepared.skip = true;
    return prepared;
  }
  prepared.plan_cached = verdict.plan_known && verdict.helper_up;
  if (!prepared.plan_cached) replan();
  return prepared;
}

/// Local, and never throws: what this rank has to say, its error included.
Proposal Saver::propose(std::int64_t step, const StateDict& state, const SaveOptions& options) noexcept {
  Proposal mine{.step = step, .settings = as_number(options), .error = {}};
  try {
    if (step < 0) throw Error(ErrorCode::invalid_argument, fmt::format("the step to save is {}; steps are 0 or more", step));
    stage::check_stream(options.stream);
    plan::update(local_, state);
    if (cuda::present() || places_.size() != local_.items.size()) places_ = stage::find_places(local_);
    mine.values = local_.values;
    mine.plan_known = fingerprint_ == local_.fingerprint;
    mine.arena_free = make_free(slots_[next_save_ % slots_.size()], options.when_busy);
    mine.helper_up = !line_->lost();
  } catch (...) {
    mine.error = current_error();
  }
  return mine;
}

/// True when the slot's last save has ended; waits for that only if the caller wants it.
bool Saver::make_free(Slot& slot, WhenBusy when_busy) {
  if (!slot.save) return true;
  const double timeout_s = when_busy == WhenBusy::wait ? options_.save_timeout_s : 0;
  if (slot.save->settle(Deadline(Seconds(timeout_s)))) {
    note_failure(*slot.save);
    slot.save.reset();
    return true;
  }
  if (when_busy != WhenBusy::wait) return false;
  throw Error(
      ErrorCode::timeout,
      fmt::format("no arena became free in {} s: the save of step {} is still being written", timeout_s, slot.save->step()),
      {.host = host_name(), .path = options_.directory.string()});
}

void Saver::settle_all(Deadline deadline) {
  for (Slot& slot : slots_) {
    if (!slot.save) continue;
    if (!slot.save->settle(deadline))
      throw Error(ErrorCode::timeout, fmt::format("the save of step {} did not end in time", slot.save->step()),
                  {.host = host_name(), .path = options_.directory.string()});
    note_failure(*slot.save);
    slot.save.reset();
  }
}

/// A failure that the program has not asked for must not pass in silence: it is logged, and close() throws the first one.
void Saver::note_failure(const Save& save) {
  const std::optional<Error> failure = save.unseen_failure();
  if (!failure) return;
  if (comm_.rank() == 0) log::warning("the save of step {} failed: {}", save.step(), failure->what());
  if (!unseen_failure_) unseen_failure_ = failure;
}

// --- planning ------------------------------------------------------------------------------------------------------

void Saver::replan() {
  fingerprint_.reset();
  mpi::all_or_none(comm_, [&] { settle_all(Deadline(Seconds(options_.save_timeout_s))); });
  mpi::LocalWork work;
  plan_ = plan::exchange(grid_, local_, next_plan_++, work);
  const std::size_t slots = fit_memory();
  work([&] {
    open_arenas(slots);
    send_plan();
  });
  mpi::agree(comm_, work.error());
  fingerprint_ = local_.fingerprint;
}

/// Two arenas per rank where the memory limit allows it, else one, else one that a save goes through in waves (plan/waves.hpp);
/// the same number of arenas and waves on all ranks.
std::size_t Saver::fit_memory() {
  std::uint64_t node_bytes[] = {plan_.arena_bytes};
  node_.allreduce(std::span<std::uint64_t>(node_bytes), MPI_SUM);
  const std::uint64_t limit = options_.memory_limit_bytes;
  std::uint64_t slots[] = {limit == 0 || node_bytes[0] == 0 ? most_slots
                                                            : std::min<std::uint64_t>(most_slots, limit / node_bytes[0])};
  const bool fits = slots[0] > 0;
  comm_.allreduce(std::span<std::uint64_t>(slots), MPI_MIN);
  if (slots[0] > 0) return slots[0];
  std::uint64_t waves[] = {1};
  mpi::all_or_none(comm_, [&] {
    if (fits) return;
    const double share = static_cast<double>(limit) / static_cast<double>(node_bytes[0]);
    const auto window = static_cast<std::uint64_t>(static_cast<double>(plan_.arena_bytes) * share);
    waves[0] = plan::place_in_waves(plan_, local_.items, window - window % window_granule);
  });
  comm_.allreduce(std::span<std::uint64_t>(waves), MPI_MAX);
  plan_.waves = static_cast<std::uint32_t>(waves[0]);
  return 1;
}

/// `count` arenas that hold a save of this plan; what is beyond them is given back first.
void Saver::open_arenas(std::size_t count) {
  for (std::size_t slot = count; slot < slots_.size(); ++slot) open_arena(static_cast<std::uint32_t>(slot), 0);
  slots_.resize(count);
  for (std::size_t slot = 0; slot < count; ++slot)
    if (!slots_[slot].bytes || *slots_[slot].bytes < plan_.arena_bytes)
      open_arena(static_cast<std::uint32_t>(slot), plan_.arena_bytes);
}

void Saver::send_plan() {
  const helper::RankLayout layout{.rank = comm_.rank(), .owned = plan_.owned, .pieces = plan_.pieces, .waves = plan_.waves};
  line_->send(transport::Plan{.plan = plan_.id, .content = encode(layout)}, Deadline(Seconds(options_.save_timeout_s)));
}

void Saver::open_arena(std::uint32_t slot, std::uint64_t bytes) {
  if (slots_[slot].bytes == bytes) return;
  slots_[slot] = {.landing = {}, .bytes = {}, .save = {}};
  const transport::ArenaReady ready = line_->open_arena(slot, bytes, Deadline(Seconds(options_.save_timeout_s)));
  if (bytes != 0)
    slots_[slot].landing = std::make_shared<Landing>(
        Landing{.number = ready.arena, .arena = line_->connection().map(ready), .pinned = {}});
  slots_[slot].bytes = bytes;
}

// --- staging -------------------------------------------------------------------------------------------------------

/// Values are copied here in any case: a loop counter changes as soon as async_save returns. All waves but the last one are
/// staged here, too.
std::shared_ptr<Save> Saver::stage(const SaveOptions& options, SaveStats stats) {
  const std::uint64_t number = next_save_++;
  const std::size_t index = number % slots_.size();
  Slot& slot = slots_[index];
  for (Slot& other : slots_)
    if (other.save) other.save->finish_staging();  // a stager does one thing at a time
  transport::Staged staged{.save = number,
                           .step = stats.step,
                           .plan = plan_.id,
                           .arena = slot.landing ? slot.landing->number : 0,
                           .error = {}};
  slot.save = std::make_shared<Save>(line_, number, std::move(stats), options_.save_timeout_s);
  for (; staged.wave + 1 < plan_.waves; ++staged.wave)
    if (!stage_early(begin_staging(options, slot, staged), staged)) return slot.save;
  Staging staging = begin_staging(options, slot, std::move(staged));
  const std::shared_ptr<stage::Underway> underway = staging.underway();
  slot.save->stages_in(std::async(options.overlap_staging ? std::launch::async : std::launch::deferred,
                                  [staging = std::move(staging)]() mutable { return staging.finish(); }),
                       underway);
  if (!options.overlap_staging) slot.save->finish_staging();
  return slot.save;
}

Staging Saver::begin_staging(const SaveOptions& options, const Slot& slot, transport::Staged staged) {
  const std::uint32_t wave = staged.wave;
  Staging staging(line_, stager_, slot.landing, plan_.arena_bytes, std::move(staged), options_.save_timeout_s);
  staging.copy_now(copies_of({local_.tensors, local_.items.size(), wave}, slot));
  staging.begin(copies_of({0, local_.tensors, wave}, slot), options.stream);
  return staging;
}

/// Returns when the helper has written the wave, so that the next one has the arena. False: the save is over, and has failed. A
/// helper that takes too long is told with the next wave that this rank has given up.
bool Saver::stage_early(Staging staging, transport::Staged& staged) {
  try {
    staging.finish();
  } catch (const std::exception& error) {
    log::warning("step {} was not staged: {}", staged.step, error.what());
    return false;
  }
  try {
    return line_->wait_drained(staged.save, staged.wave, Deadline(Seconds(options_.save_timeout_s)));
  } catch (const Error& error) {
    staged.failed = true;
    staged.error = to_record(error);
    return true;
  }
}

std::vector<stage::Copy> Saver::copies_of(const Selection& selection, const Slot& slot) const {
  return api::copies_of(plan_, local_, places_, selection, slot.landing ? slot.landing->memory() : nullptr);
}

}  // namespace holdfast::api
