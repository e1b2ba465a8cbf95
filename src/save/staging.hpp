#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/error_text.hpp"
#include "plan/local.hpp"
#include "save/helper_client.hpp"
#include "stage/stager.hpp"
#include "transport/connection.hpp"

namespace holdfast::save {

/// An arena, and the page lock that devices need, which is released before the arena.
struct PinnedArena {
  std::uint64_t number = 0;  ///< transport::ArenaReady::arena
  std::shared_ptr<transport::Arena> arena;
  bool prepared = false;               ///< the page lock was asked for
  std::shared_ptr<const void> pinned;  ///< page lock; null without copies from devices

  [[nodiscard]] std::byte* memory() const { return arena ? arena->memory().data() : nullptr; }
  /// Page-locks the arena when copies from devices come for the first time.
  void prepare(stage::Stager& stager, std::span<const stage::Copy> copies);
};

/// Selects the pieces of a rank's items in [first, last) that go in one wave.
struct PieceSelection {
  std::size_t first = 0, last = 0;
  std::uint32_t wave = 0;
};

/// Returns the copies of the selected pieces into `arena`. `spaces` has the memory space of each item.
[[nodiscard]] std::vector<stage::Copy> copies_of(const plan::RankPlan& plan, const plan::LocalPlan& local,
                                                 const std::vector<cuda::MemorySpace>& spaces,
                                                 const PieceSelection& selection, std::byte* arena);

/// Stages one wave of a save on one rank: copies into the arena, delivers it to the helper, and sends `Staged`. A
/// failure is sent to the helper too, so that all ranks learn it from the outcome of the save.
class Staging {
 public:
  Staging(std::shared_ptr<HelperClient> client, std::shared_ptr<stage::Stager> stager,
          std::shared_ptr<PinnedArena> arena, std::uint64_t bytes, transport::Staged staged, double timeout_s)
      : client_(std::move(client)),
        stager_(std::move(stager)),
        arena_(std::move(arena)),
        bytes_(bytes),
        staged_(std::move(staged)),
        timeout_s_(timeout_s) {}

  /// Copies values at once, since they change as soon as async_save returns.
  void copy_now(std::vector<stage::Copy> copies);
  /// Begins to copy tensors, after the work that `after` has now.
  void begin(std::vector<stage::Copy> copies, cuda::Stream after);
  /// The copies that have begun; null if that failed.
  [[nodiscard]] const std::shared_ptr<stage::PendingCopy>& pending() const noexcept { return pending_; }
  /// Does the rest, in any thread. Returns the seconds that it took. Throws the first error of any step.
  double finish();

 private:
  template <class Function>
  void attempt(Function&& step) {
    if (staged_.failed) return;
    try {
      step();
    } catch (...) {
      staged_.failed = true;
      staged_.error = to_record(current_error());
    }
  }

  std::shared_ptr<HelperClient> client_;
  std::shared_ptr<stage::Stager> stager_;
  std::shared_ptr<PinnedArena> arena_;
  std::shared_ptr<stage::PendingCopy> pending_;
  std::uint64_t bytes_ = 0;
  transport::Staged staged_;
  double timeout_s_ = 0;
};

}  // namespace holdfast::save
