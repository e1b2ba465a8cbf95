#include "api/saver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "api/check_options.hpp"
#include "api/replica_check.hpp"
#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/owner.hpp"
#include "helper/layout.hpp"
#include "plan/exchange.hpp"
#include "stage/places.hpp"
#include "transport/messages.hpp"

namespace holdfast::api {
namespace {

std::int64_t as_number(const SaveOptions& options) {
  return static_cast<std::int64_t>(options.when_busy) * 2 + options.overlap_staging;
}

}  // namespace

Saver::Saver(const mpi::Communicator& comm, Options options)
    : comm_(comm),
      options_(std::move(options)),
      node_(comm.split_by_node()),
      grid_(comm),
      note_lost_save_(comm.rank() == 0 ? lost_saves_log(options_) : NoteLostSave{}) {
  try {
    start_helpers();
  } catch (...) {
    grid_.free();  // collective, as the failure is
    node_.free();
    throw;
  }
}

void Saver::warm_up(const StateDict& state) {
  const Prepared prepared = prepare(0, state, {});
  const std::size_t other = 1 - *prepared.slot;
  if (plans_.front().arenas != 1 && prepared.free[other]) for_plan([&] { make_room(other, true); });
  finish_staging();
  for (Slot& slot : slots_)
    if (slot.landing) slot.landing->prepare(*stager_, copies_of({0, local_.tensors, 0}, slot));
}

SaveFuture Saver::async_save(std::int64_t step, const StateDict& state, const SaveOptions& options) {
  const Stopwatch watch;
  const Prepared prepared = prepare(step, state, options);
  if (!prepared.slot) return SaveFuture(make_owned<Save>(step));
  if (options_.check_replicas)
    require_equal_replicas(grid_, local_, places_, options.stream, Deadline(Seconds(options_.save_timeout_s)));
  SaveStats stats{.step = step,
                  .path = {},
                  .rank_bytes = plans_.front().plan.staged_bytes,
                  .plan_cached = prepared.plan_cached,
                  .arena_made = prepared.arena_made,
                  .plan_s = watch.seconds()};
  std::shared_ptr<Save> save = stage(slots_[*prepared.slot], options, std::move(stats));
  save->blocked_for(watch.seconds());
  return SaveFuture(std::move(save));
}

/// Everything before the copy: afterwards all ranks have a plan for this state, and a free arena that fits it.
Saver::Prepared Saver::prepare(std::int64_t step, const StateDict& state, const SaveOptions& options) {
  const cuda::Range range("holdfast: plan");
  const Deadline deadline{Seconds(options_.save_timeout_s)};  // for an arena to become free
  Verdict verdict = agree(comm_, propose(step, state, options, deadline));
  if (!verdict.helper_up) {
    restart();
    verdict = {.plan = {}, .free = {true, true}, .helper_up = true};
  }
  Prepared prepared{.slot = {}, .free = verdict.free, .plan_cached = verdict.plan.has_value()};
  if (std::ranges::find(verdict.free, true) != verdict.free.end()) {
    choose_plan(verdict);
    for_plan([&] { prepared.slot = choose_slot(verdict, options.when_busy, deadline); });
  }
  if (!prepared.slot && options.when_busy != WhenBusy::skip)
    throw Error(ErrorCode::busy, "no arena is free: they hold saves that are still being written");
  if (!prepared.slot) return prepared;
  prepared.arena_made = !verdict.holds[*prepared.slot];
  if (!plans_.front().sent) for_plan([&] { mpi::all_or_none(comm_, [&] { send_plan(); }); });
  return prepared;
}

/// Collective. A plan for which something failed is not used again: helpers may have it or not.
template <class Function>
void Saver::for_plan(Function&& function) try {
  function();
} catch (...) {
  plans_.front() = {};
  throw;
}

/// Local, and never throws: what this rank has to say, its error included.
Proposal Saver::propose(std::int64_t step, const StateDict& state, const SaveOptions& options, Deadline deadline) noexcept {
  Proposal mine{.step = step, .settings = as_number(options), .error = {}};
  try {
    if (step < 0) throw Error(ErrorCode::invalid_argument, fmt::format("the step to save is {}; steps are 0 or more", step));
    check(options);
    stage::check_stream(options.stream);
    plan::update(local_, state);
    if (cuda::present() || places_.size() != local_.items.size()) places_ = stage::find_places(local_);
    mine.values = local_.values;
    mine.free = free_slots(options.when_busy, deadline);
    for (std::size_t plan = 0; plan < kept_plans; ++plan) {
      mine.plan_known[plan] = plans_[plan].fingerprint == local_.fingerprint;
      for (std::size_t slot = 0; slot < most_slots; ++slot) mine.holds[plan][slot] = holds(slots_[slot], plans_[plan]);
    }
    mine.helper_up = !line_->lost();
  } catch (...) {
    mine.error = current_error();
  }
  return mine;
}

// --- planning ------------------------------------------------------------------------------------------------------

/// Collective. Makes a plan unless one of those that are kept is known to all; it is the first of them then.
void Saver::choose_plan(Verdict& verdict) {
  if (verdict.plan) return std::swap(plans_.front(), plans_[*verdict.plan]);
  plans_.back() = std::exchange(plans_.front(), {});
  mpi::LocalWork work;
  Planned& planned = plans_.front();
  planned.plan = plan::exchange(grid_, local_, next_plan_++, work);
  std::array<std::int64_t, most_slots + 1> least{};
  std::ranges::transform(slots_, least.begin(), [&](const Slot& slot) { return holds(slot, planned); });
  least.back() = !work.error();
  comm_.allreduce(std::span<std::int64_t>(least), MPI_MIN);
  if (least.back() == 0) mpi::agree(comm_, work.error());
  planned.fingerprint = local_.fingerprint;
  std::copy_n(least.begin(), most_slots, verdict.holds.begin());
}

/// The helper gives up plans that are not named here and by which nothing is staged, so what is under way is staged first.
void Saver::send_plan() {
  finish_staging();
  Planned& planned = plans_.front();
  const helper::RankLayout layout{
      .rank = comm_.rank(), .owned = planned.plan.owned, .pieces = planned.plan.pieces, .waves = planned.plan.waves};
  line_->send(transport::Plan{.plan = planned.plan.id,
                              .other = plans_.back().sent ? plans_.back().plan.id : 0,
                              .content = encode(layout)},
              Deadline(Seconds(options_.save_timeout_s)));
  planned.sent = true;
}

// --- staging -------------------------------------------------------------------------------------------------------

/// Values are copied here in any case: a loop counter changes as soon as async_save returns. All waves but the last one are
/// staged here, too.
std::shared_ptr<Save> Saver::stage(Slot& slot, const SaveOptions& options, SaveStats stats) {
  const std::uint64_t number = next_save_++;
  const plan::RankPlan& plan = plans_.front().plan;
  finish_staging();
  const Succession::Place place = succession_.next();
  transport::Staged staged{.save = number,
                           .sequence = place.sequence,
                           .parent = place.parent,
                           .step = stats.step,
                           .plan = plan.id,
                           .arena = slot.landing ? slot.landing->number : 0,
                           .error = {}};
  slot.save = make_owned<Save>(line_, number, std::move(stats), options_.save_timeout_s);
  for (; staged.wave + 1 < plan.waves; ++staged.wave)
    if (!stage_early(begin_staging(options, slot, staged), staged)) return slot.save;
  Staging staging = begin_staging(options, slot, std::move(staged));
  const std::shared_ptr<stage::Underway> underway = staging.underway();
  const bool beside = stage_later(*slot.save, std::move(staging), underway, options.overlap_staging);
  if (!beside) slot.save->finish_staging();
  return slot.save;
}

/// In a thread of its own, if that is wanted, and the system does not refuse one. Else finish_staging() does it: false.
bool Saver::stage_later(Save& save, Staging staging, std::shared_ptr<stage::Underway> underway, bool beside) {
  const auto finish = [staging = std::make_shared<Staging>(std::move(staging))] { return staging->finish(); };
  if (beside) try {
      save.stages_in(std::async(std::launch::async, finish), underway);
      return true;
    } catch (const std::system_error& error) {
      log::warning("staging is not overlapped, as there is no thread for it: {}", error.what());
    }
  save.stages_in(std::async(std::launch::deferred, finish), underway);
  return false;
}

Staging Saver::begin_staging(const SaveOptions& options, const Slot& slot, transport::Staged staged) {
  const std::uint32_t wave = staged.wave;
  Staging staging(line_, stager_, slot.landing, plans_.front().plan.arena_bytes, std::move(staged), options_.save_timeout_s);
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
  return api::copies_of(plans_.front().plan, local_, places_, selection, slot.landing ? slot.landing->memory() : nullptr);
}

}  // namespace holdfast::api
