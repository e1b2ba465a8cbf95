#pragma once

#include <array>
#include <cstdint>
#include <holdfast/options.hpp>
#include <holdfast/planner.hpp>
#include <holdfast/state_dict.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "plan/local.hpp"
#include "plan/plan.hpp"
#include "plan/waves.hpp"
#include "save/agreement.hpp"
#include "save/helpers.hpp"
#include "save/save.hpp"
#include "save/staging.hpp"
#include "save/succession.hpp"
#include "stage/stager.hpp"
#include "wrap/mpi_grid.hpp"

namespace holdfast::save {

/// The saving half of a Checkpointer: helpers, plans, arenas and saves in flight. Members are collective and throw the
/// same Error on all ranks, unless they say otherwise.
class Saver {
 public:
  /// Starts the helpers. `comm` is borrowed.
  Saver(const mpi::Communicator& comm, Options options);

  void warm_up(const StateDict& state, const SavePlanner& planner);
  /// Returns the save that a SaveFuture points to.
  std::shared_ptr<Save> async_save(std::int64_t step, const StateDict& state, const SaveOptions& options,
                                   const SavePlanner& planner);
  /// Local. Makes later saves go on from the loaded checkpoint of this sequence.
  void go_on_from(std::int64_t sequence) { succession_.loaded(sequence); }
  /// Local. Waits for saves in flight and lets the helper go. Returns the first error, if there was one.
  [[nodiscard]] std::optional<Error> close();
  /// Local, after close() on all ranks. Calls Helpers::await_end().
  void await_end() noexcept { helpers_->await_end(); }
  /// Frees the communicators.
  void free();

 private:
  /// The place for one save in flight: an arena, and the last save that used it.
  struct Slot {
    std::shared_ptr<PinnedArena> arena;
    std::optional<std::uint64_t> bytes = 0;  ///< size of the arena; nothing: not known, since the helper did not answer
    std::shared_ptr<Save> save;
  };

  /// A plan that is kept, since the next state mostly has the same layout.
  struct Planned {
    plan::RankPlan plan;
    std::optional<std::uint64_t> fingerprint;  ///< LocalPlan::fingerprint that it was made for; nothing: no plan
    bool sent = false;                         ///< the helper has it
    std::size_t arenas = 0;                    ///< arenas that its saves may use, on all ranks; 0: not known yet
  };

  void start_helpers();
  void replace_helpers();
  void give_up_saves(const Error& cause);

  // In saver_arenas.cpp:
  SlotFlags free_slots(WhenBusy when_busy, Deadline deadline);
  bool release(Slot& slot, Deadline deadline);
  void settle(Slot& slot, Deadline deadline);
  void settle_all(Deadline deadline);
  void note_failure(const Save& save);
  void finish_staging();
  [[nodiscard]] static bool holds(const Slot& slot, const Planned& planned) noexcept;
  std::optional<std::size_t> choose_slot(Agreement& agreement, WhenBusy when_busy, Deadline deadline);
  bool make_room(std::size_t slot, bool other_busy);
  [[nodiscard]] std::uint64_t ask_room();
  void go_in_waves(const std::optional<plan::Window>& window);
  void replace_arenas(std::size_t slot, std::uint64_t bytes, bool close_other);
  void open_arena(std::size_t slot, std::uint64_t bytes);

  template <class Function>
  void for_plan(Function&& function);
  Agreement agree_on_plan(std::int64_t step, const StateDict& state, const SaveOptions& options,
                          const SavePlanner& planner, Deadline deadline);
  void choose_plan(Agreement& agreement, const SavePlanner& planner);
  void send_plan();

  /// Result of prepare(), besides local_, spaces_ and the first of plans_.
  struct Prepared {
    std::optional<std::size_t> slot;  ///< slot of the save; none: no arena is free, and WhenBusy::skip
    SlotFlags free{};                 ///< by slot: no save was in flight
    bool plan_cached = false, arena_made = false;
  };
  Prepared prepare(std::int64_t step, const StateDict& state, const SaveOptions& options, const SavePlanner& planner);
  void require_new(std::int64_t step) const;
  void require_host_conversions() const;
  void look_at(const StateDict& state, const SavePlanner& planner);
  Proposal propose(std::int64_t step, const StateDict& state, const SaveOptions& options, const SavePlanner& planner,
                   Deadline deadline) noexcept;
  std::shared_ptr<Save> stage(Slot& slot, const SaveOptions& options, SaveStats stats);
  bool stage_later(Save& save, Staging staging, const std::shared_ptr<stage::PendingCopy>& pending, bool beside);
  Staging begin_staging(const SaveOptions& options, const Slot& slot, transport::Staged staged);
  bool stage_early(Staging staging, transport::Staged& staged);
  [[nodiscard]] std::vector<stage::Copy> copies_of(const PieceSelection& selection, const Slot& slot) const;

  const mpi::Communicator& comm_;
  Options options_;
  mpi::Communicator node_;
  mpi::Grid grid_;
  std::optional<Helpers> helpers_;
  std::shared_ptr<stage::Stager> stager_;
  std::array<Slot, most_slots> slots_;
  plan::PlannerAnswers answers_;
  plan::LocalPlan local_;                  ///< items of the state that is saved; kept for the next save
  std::vector<cuda::MemorySpace> spaces_;  ///< memory spaces of the items of local_
  std::array<Planned, kept_plans> plans_;  ///< last used first
  std::uint64_t next_plan_ = 1;
  std::uint64_t next_save_ = 1;
  Succession succession_;
  std::optional<Error> unseen_failure_;
};

}  // namespace holdfast::save
