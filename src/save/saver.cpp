#include "save/saver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/cores.hpp"
#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/owner.hpp"
#include "plan/build_plan.hpp"
#include "plan/rank_layout.hpp"
#include "save/replica_check.hpp"
#include "settings/attributes.hpp"
#include "settings/settings.hpp"
#include "stage/cuda_stager.hpp"
#include "stage/memory_spaces.hpp"
#include "storage/directory/catalog.hpp"
#include "transport/messages.hpp"

namespace holdfast::save {
namespace {

/// Longest wait for saves of a living helper after another one has died.
constexpr double leftover_timeout_s = 2;

/// Logs once per process what CPU binding does to the copy threads.
void tell_of_binding(int stage_threads, int ranks_on_node) {
  static std::atomic<bool> told = false;
  const std::string words = stage::binding_in_words(stage_threads, allowed_cores(), online_cores(), ranks_on_node);
  if (words.empty() || told.exchange(true)) return;
  log::write(stage_threads == 0 ? log::Level::info : log::Level::warning, words);
}

bool is_any_free(const SlotFlags& free) {
  return std::ranges::find(free, true) != free.end();
}

/// What a planner sees of this rank's part of a plan.
std::vector<PlannedShard> shards_of(const plan::RankPlan& plan, const plan::LocalPlan& local) {
  std::vector<PlannedShard> shards;
  for (const plan::Piece& piece : plan.pieces) {
    const plan::Item& item = local.items[piece.item];
    shards.push_back({item.name, item.dtype, piece.box.offset, piece.box.extent, piece.bytes});
  }
  return shards;
}

}  // namespace

Saver::Saver(const mpi::Communicator& comm, Options options)
    : comm_(comm), options_(std::move(options)), node_(comm.split_by_node()), grid_(comm) {
  try {
    helpers_.emplace(comm_, options_);
    start_helpers();
  } catch (...) {
    grid_.free();  // collective: all ranks threw
    node_.free();
    throw;
  }
}

/// Sets up what depends on the helpers that have just started.
void Saver::start_helpers() {
  const int ranks_on_node = helpers_->ranks_on_node();
  stager_ = std::make_shared<stage::CudaStager>(
      options_.stage_threads > 0 ? options_.stage_threads : stage::default_stage_threads(ranks_on_node));
  if (comm_.rank() == 0) tell_of_binding(options_.stage_threads, ranks_on_node);
  succession_.opened(helpers_->newest_sequence(), helpers_->head_sequence());
}

/// Collective. Replaces lost helpers; nothing of the old ones is used again.
void Saver::replace_helpers() {
  const Error cause = helpers_->agree_on_loss();
  log::info("starting new helpers: {}", cause.what());
  plans_ = {};
  give_up_saves(cause);
  slots_ = {};
  helpers_->replace();
  start_helpers();
}

/// Ends all saves in flight, which cannot be committed after the death of a helper. A living helper may still wait for
/// the dead one.
void Saver::give_up_saves(const Error& cause) {
  const Deadline deadline{Seconds(leftover_timeout_s)};
  for (Slot& slot : slots_) {
    if (!slot.save) continue;
    if (!slot.save->settle(deadline)) {
      helpers_->client()->give_up(cause);
      static_cast<void>(slot.save->settle(deadline));
    }
    note_failure(*slot.save);
  }
}

std::optional<Error> Saver::close() {
  const Deadline deadline{Seconds(options_.close_timeout_s)};
  std::optional<Error> problem;
  try {
    settle_all(deadline);
    helpers_->let_go(deadline);
  } catch (...) {
    problem = current_error();
  }
  helpers_->end_if_lost();
  slots_ = {};
  helpers_->disconnect();
  return problem ? problem : unseen_failure_;
}

void Saver::free() {
  grid_.free();
  node_.free();
}

void Saver::warm_up(const StateDict& state, const SavePlanner& planner) {
  const Prepared prepared = prepare(0, state, {}, planner);
  const std::size_t other = 1 - *prepared.slot;
  if (plans_.front().arenas != 1 && prepared.free[other]) for_plan([&] { make_room(other, true); });
  finish_staging();
  for (Slot& slot : slots_)
    if (slot.arena) slot.arena->prepare(*stager_, copies_of({0, local_.tensors, 0}, slot));
}

std::shared_ptr<Save> Saver::async_save(std::int64_t step, const StateDict& state, const SaveOptions& options,
                                        const SavePlanner& planner) {
  const Stopwatch watch;
  const Prepared prepared = prepare(step, state, options, planner);
  if (!prepared.slot) return make_owned<Save>(step);
  if (options_.check_replicas)
    require_equal_replicas(grid_, local_, spaces_, options.stream, Deadline(Seconds(options_.save_timeout_s)));
  SaveStats stats{.step = step,
                  .path = {},
                  .rank_bytes = plans_.front().plan.staged_bytes,
                  .plan_cached = prepared.plan_cached,
                  .arena_made = prepared.arena_made,
                  .plan_s = watch.seconds()};
  std::shared_ptr<Save> save = stage(slots_[*prepared.slot], options, std::move(stats));
  save->blocked_for(watch.seconds());
  return save;
}

/// Collective. Does everything before the copy. Then all ranks have a plan for this state and a free arena for it.
Saver::Prepared Saver::prepare(std::int64_t step, const StateDict& state, const SaveOptions& options,
                               const SavePlanner& planner) {
  const cuda::ProfilerRange range("holdfast: plan");
  const Deadline deadline{Seconds(options_.save_timeout_s)};  // for the wait for a free arena
  Agreement agreement = agree_on_plan(step, state, options, planner, deadline);
  Prepared prepared{.slot = {}, .free = agreement.free, .plan_cached = agreement.plan.has_value()};
  if (is_any_free(agreement.free))
    for_plan([&] { prepared.slot = choose_slot(agreement, options.when_busy, deadline); });
  if (!prepared.slot && options.when_busy != WhenBusy::skip)
    throw Error(ErrorCode::busy, "no arena is free: they hold saves that are still being written");
  if (!prepared.slot) return prepared;
  prepared.arena_made = !agreement.holds[*prepared.slot];
  if (!plans_.front().sent) for_plan([&] { mpi::all_or_none(comm_, [&] { send_plan(); }); });
  return prepared;
}

/// Collective. Looks at the state on all ranks and, if an arena is free, puts the plan for it first. If it throws, the
/// state is looked at anew next time, and a planner is asked again.
Agreement Saver::agree_on_plan(std::int64_t step, const StateDict& state, const SaveOptions& options,
                               const SavePlanner& planner, Deadline deadline) try {
  Agreement agreement = agree(comm_, propose(step, state, options, planner, deadline), options);
  if (!agreement.helper_up) {
    replace_helpers();
    agreement = {.plan = {}, .free = {true, true}, .helper_up = true, .renames = agreement.renames};
  }
  if (is_any_free(agreement.free)) choose_plan(agreement, planner);
  return agreement;
} catch (...) {
  local_ = {};
  answers_ = {};
  throw;
}

/// Collective. Drops the first plan if `function` throws, since it is not known which helpers have it.
template <class Function>
void Saver::for_plan(Function&& function) try {
  function();
} catch (...) {
  plans_.front() = {};
  throw;
}

/// Local. Throws for a tensor in GPU memory that is to be stored as another dtype: only processors convert.
void Saver::require_host_conversions() const {
  for (std::size_t i = 0; i < local_.tensors; ++i)
    if (spaces_[i].on_device() && local_.memory[i].dtype != local_.items[i].dtype)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("it is in GPU memory, where it cannot be converted from {} to {} for the file",
                              to_string(local_.memory[i].dtype), to_string(local_.items[i].dtype)),
                  {.tensor = local_.items[i].shown()});
}

/// Local. Throws if rank 0 sees a checkpoint of the step, or a save of it is in flight.
void Saver::require_new(std::int64_t step) const {
  const auto is_of_step = [&](const Slot& slot) {
    return slot.save && slot.save->step() == step && !slot.save->ready();
  };
  const std::filesystem::path file = options_.directory / storage::file_name(step);
  if (std::ranges::any_of(slots_, is_of_step) || (comm_.rank() == 0 && std::filesystem::exists(file)))
    throw Error(ErrorCode::invalid_state,
                fmt::format("there is a checkpoint of step {} already (SaveOptions::overwrite)", step),
                {.path = file.string()});
}

/// Local. Updates what is known of the state that is saved.
void Saver::look_at(const StateDict& state, const SavePlanner& planner) {
  plan::update(local_, state, answers_.of(planner));
  if (cuda::present() || spaces_.size() != local_.items.size()) spaces_ = stage::find_memory_spaces(local_);
  if (cuda::present()) require_host_conversions();
}

/// Local. Returns the state of this rank, with its error if there is one.
Proposal Saver::propose(std::int64_t step, const StateDict& state, const SaveOptions& options,
                        const SavePlanner& planner, Deadline deadline) noexcept {
  Proposal mine{.step = step, .error = {}};
  try {
    mine.settings = settings::fingerprint(options);
    if (step < 0)
      throw Error(ErrorCode::invalid_argument, fmt::format("the step to save is {}; steps are 0 or more", step));
    settings::check(options);
    if (!options.overwrite) require_new(step);
    stage::check_stream(options.stream);
    look_at(state, planner);
    mine.renames = planner.name_in_file != nullptr;
    mine.values = local_.values;
    mine.free = free_slots(options.when_busy, deadline);
    for (std::size_t plan = 0; plan < kept_plans; ++plan) {
      mine.plan_known[plan] = plans_[plan].fingerprint == local_.fingerprint;
      for (std::size_t slot = 0; slot < most_slots; ++slot) mine.holds[plan][slot] = holds(slots_[slot], plans_[plan]);
    }
    mine.helper_up = !helpers_->client()->lost();
  } catch (...) {
    mine.error = current_error();
  }
  return mine;
}

// --- planning ------------------------------------------------------------------------------------------------------

/// Collective. Puts the plan for this state first: the kept plan that all ranks know, or a new one.
void Saver::choose_plan(Agreement& agreement, const SavePlanner& planner) {
  if (agreement.plan) return std::swap(plans_.front(), plans_[*agreement.plan]);
  if (agreement.renames) plan::require_one_to_one(grid_, plan::renames_of(local_), "SavePlanner::name_in_file");
  plans_.back() = std::exchange(plans_.front(), {});
  mpi::LocalWork work;
  Planned& planned = plans_.front();
  planned.plan = plan::build_plan(grid_, local_, next_plan_++, work, planner.saved_by);
  work([&] {
    if (planner.planned) planner.planned(shards_of(planned.plan, local_));
  });
  std::array<std::int64_t, most_slots + 1> least{};
  std::ranges::transform(slots_, least.begin(), [&](const Slot& slot) { return holds(slot, planned); });
  least.back() = !work.error();
  comm_.allreduce(std::span<std::int64_t>(least), MPI_MIN);
  if (least.back() == 0) mpi::agree(comm_, work.error());
  planned.fingerprint = local_.fingerprint;
  std::copy_n(least.begin(), most_slots, agreement.holds.begin());
}

/// Local. Finishes staging first, since the helper drops plans that this message does not name and no staged save uses.
void Saver::send_plan() {
  finish_staging();
  Planned& planned = plans_.front();
  const plan::RankLayout layout{
      .rank = comm_.rank(), .owned = planned.plan.owned, .pieces = planned.plan.pieces, .waves = planned.plan.waves};
  helpers_->client()->send(
      transport::Plan{
          .plan = planned.plan.id, .other = plans_.back().sent ? plans_.back().plan.id : 0, .content = encode(layout)},
      Deadline(Seconds(options_.save_timeout_s)));
  planned.sent = true;
}

// --- staging -------------------------------------------------------------------------------------------------------

/// Local. Copies the values and stages all waves but the last before it returns, even with overlap_staging: a loop
/// counter changes as soon as async_save returns.
std::shared_ptr<Save> Saver::stage(Slot& slot, const SaveOptions& options, SaveStats stats) {
  const std::uint64_t number = next_save_++;
  const plan::RankPlan& plan = plans_.front().plan;
  finish_staging();
  const Succession::Position place = succession_.next();
  transport::Staged staged{.save = number,
                           .sequence = place.sequence,
                           .parent = place.parent,
                           .step = stats.step,
                           .plan = plan.id,
                           .arena = slot.arena ? slot.arena->number : 0,
                           .attributes = comm_.rank() == 0 ? settings::to_text(options.attributes) : std::string(),
                           .error = {}};
  slot.save = make_owned<Save>(helpers_->client(), number, std::move(stats), options_.save_timeout_s);
  for (; staged.wave + 1 < plan.waves; ++staged.wave)
    if (!stage_early(begin_staging(options, slot, staged), staged)) return slot.save;
  Staging staging = begin_staging(options, slot, std::move(staged));
  const std::shared_ptr<stage::PendingCopy> pending = staging.pending();
  const bool beside = stage_later(*slot.save, std::move(staging), pending, options.overlap_staging);
  if (!beside) slot.save->finish_staging();
  return slot.save;
}

/// Starts a thread that finishes the staging, and returns true, if `beside` is set and there is a thread. Otherwise
/// leaves the staging to finish_staging(), and returns false.
bool Saver::stage_later(Save& save, Staging staging, const std::shared_ptr<stage::PendingCopy>& pending, bool beside) {
  const auto finish = [staging = std::make_shared<Staging>(std::move(staging))] { return staging->finish(); };
  if (beside) try {
      save.stages_in(std::async(std::launch::async, finish), pending);
      return true;
    } catch (const std::system_error& error) {
      log::warning("staging is not overlapped, as there is no thread for it: {}", error.what());
    }
  save.stages_in(std::async(std::launch::deferred, finish), pending);
  return false;
}

Staging Saver::begin_staging(const SaveOptions& options, const Slot& slot, transport::Staged staged) {
  const std::uint32_t wave = staged.wave;
  Staging staging(helpers_->client(), stager_, slot.arena, plans_.front().plan.arena_bytes, std::move(staged),
                  options_.save_timeout_s);
  staging.copy_now(copies_of({local_.tensors, local_.items.size(), wave}, slot));
  staging.begin(copies_of({0, local_.tensors, wave}, slot), options.stream);
  return staging;
}

/// Stages a wave and waits until the helper has written it, so that the arena is free for the next wave. Returns false
/// if the save has failed. After a timeout, `staged` tells the helper with the next wave that this rank gave up.
bool Saver::stage_early(Staging staging, transport::Staged& staged) {
  try {
    staging.finish();
  } catch (const std::exception& error) {
    log::warning("step {} was not staged: {}", staged.step, error.what());
    return false;
  }
  try {
    return helpers_->client()->wait_drained(staged.save, staged.wave, Deadline(Seconds(options_.save_timeout_s)));
  } catch (const Error& error) {
    staged.failed = true;
    staged.error = to_record(error);
    return true;
  }
}

std::vector<stage::Copy> Saver::copies_of(const PieceSelection& selection, const Slot& slot) const {
  return save::copies_of(plans_.front().plan, local_, spaces_, selection, slot.arena ? slot.arena->memory() : nullptr);
}

}  // namespace holdfast::save
