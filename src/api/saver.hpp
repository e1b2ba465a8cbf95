#pragma once

#include <array>
#include <cstdint>
#include <holdfast/future.hpp>
#include <holdfast/options.hpp>
#include <holdfast/state_dict.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "api/agreement.hpp"
#include "api/line.hpp"
#include "api/save.hpp"
#include "api/staging.hpp"
#include "api/succession.hpp"
#include "launch/launcher.hpp"
#include "plan/local.hpp"
#include "plan/plan.hpp"
#include "plan/waves.hpp"
#include "stage/stager.hpp"
#include "wrap/mpi_grid.hpp"

namespace holdfast::api {

/// The saving half of a Checkpointer: helpers, plan, arenas, saves in flight. Members are collective and throw the same Error
/// on all ranks, unless they say otherwise.
class Saver {
 public:
  /// Starts the helpers. `comm` is borrowed.
  Saver(const mpi::Communicator& comm, Options options);

  void warm_up(const StateDict& state);
  SaveFuture async_save(std::int64_t step, const StateDict& state, const SaveOptions& options);
  /// The saves that follow go on from the checkpoint of this sequence, which was loaded.
  void go_on_from(std::int64_t sequence) { succession_.loaded(sequence); }
  /// Local: waits for saves in flight and lets the helper go. Returns what went wrong, if anything.
  [[nodiscard]] std::optional<Error> close();
  /// Local, after close() on all ranks: waits until the helper's process has ended, bounded, since the next helpers start then
  /// (docs/decisions/0002-spawn.md).
  void take_leave() noexcept;
  void await_end() noexcept;
  /// Frees the communicators.
  void free();

 private:
  /// An arena in the helper, and the save that used it last.
  struct Slot {
    std::shared_ptr<Landing> landing;
    std::optional<std::uint64_t> bytes = 0;  ///< nothing: the helper did not answer, and may have the arena or not
    std::shared_ptr<Save> save;
  };

  /// A plan that is kept, since the next state is seldom laid out in another way.
  struct Planned {
    plan::RankPlan plan;
    std::optional<std::uint64_t> fingerprint;  ///< of the local plan that it was made for; nothing: there is no plan
    bool sent = false;                         ///< the helper has it
    std::size_t arenas = 0;                    ///< that its saves may use, on all ranks; 0: it was not asked yet
  };

  // saver_helpers.cpp:
  void start_helpers();
  void say_hello(const Deadline& deadline, const launch::Started& started);
  void restart();
  [[nodiscard]] Error agree_on_loss();
  void give_up_saves(const Error& cause);
  void end_lost_helper();

  // saver_arenas.cpp:
  SlotFlags free_slots(WhenBusy when_busy, Deadline deadline);
  bool release(Slot& slot, Deadline deadline);
  void settle(Slot& slot, Deadline deadline);
  void settle_all(Deadline deadline);
  void note_failure(const Save& save);
  void finish_staging();
  [[nodiscard]] static bool holds(const Slot& slot, const Planned& planned) noexcept;
  std::optional<std::size_t> choose_slot(Verdict& verdict, WhenBusy when_busy, Deadline deadline);
  bool make_room(std::size_t slot, bool other_busy);
  [[nodiscard]] std::uint64_t ask_room();
  void go_in_waves(const std::optional<plan::Window>& window);
  void replace_arenas(std::size_t slot, std::uint64_t bytes, bool close_other);
  void open_arena(std::size_t slot, std::uint64_t bytes);

  template <class Function>
  void for_plan(Function&& function);
  void choose_plan(Verdict& verdict);
  void send_plan();

  /// What async_save finds before the copy, beside local_, places_ and the first of plans_.
  struct Prepared {
    std::optional<std::size_t> slot;  ///< none: WhenBusy::skip, and no arena is free
    SlotFlags free{};                 ///< all slots that no save was in flight in
    bool plan_cached = false, arena_made = false;
  };
  Prepared prepare(std::int64_t step, const StateDict& state, const SaveOptions& options);
  Proposal propose(std::int64_t step, const StateDict& state, const SaveOptions& options, Deadline deadline) noexcept;
  std::shared_ptr<Save> stage(Slot& slot, const SaveOptions& options, SaveStats stats);
  bool stage_later(Save& save, Staging staging, std::shared_ptr<stage::Underway> underway, bool beside);
  Staging begin_staging(const SaveOptions& options, const Slot& slot, transport::Staged staged);
  bool stage_early(Staging staging, transport::Staged& staged);
  [[nodiscard]] std::vector<stage::Copy> copies_of(const Selection& selection, const Slot& slot) const;

  const mpi::Communicator& comm_;
  Options options_;
  mpi::Communicator node_;
  mpi::Grid grid_;
  NoteLostSave note_lost_save_;  ///< rank 0's
  std::unique_ptr<launch::HelperLauncher> launcher_;
  std::shared_ptr<Line> line_;
  std::shared_ptr<stage::Stager> stager_;
  std::array<Slot, most_slots> slots_;
  plan::LocalPlan local_;            ///< of the state that is being saved; kept, since the next one is seldom another
  std::vector<cuda::Place> places_;  ///< of its items
  std::array<Planned, kept_plans> plans_;  ///< the one that was used last comes first
  std::uint64_t next_plan_ = 1;
  std::uint64_t next_save_ = 1;
  Succession succession_;
  std::optional<Error> unseen_failure_;
  bool abandoned_ = false;  ///< the helper is lost, and ended with the program
};

}  // namespace holdfast::api
