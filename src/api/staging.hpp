#pragma once

#include <memory>
#include <span>
#include <vector>

#include "api/line.hpp"
#include "base/error_text.hpp"
#include "plan/local.hpp"
#include "stage/stager.hpp"
#include "transport/connection.hpp"

namespace holdfast::api {

/// An arena, and what keeps its pages in place for devices, which has to go first.
struct Landing {
  std::uint64_t number = 0;  ///< transport::ArenaReady::arena
  std::shared_ptr<transport::Arena> arena;
  bool prepared = false;
  std::shared_ptr<const void> pinned;

  [[nodiscard]] std::byte* memory() const { return arena ? arena->memory().data() : nullptr; }
  /// Once, when copies from devices come for the first time.
  void prepare(stage::Stager& stager, std::span<const stage::Copy> copies);
};

/// Which of a rank's pieces: those of its items in [first, last), in one wave.
struct Selection {
  std::size_t first = 0, last = 0;
  std::uint32_t wave = 0;
};

/// What the pieces have to be copied from and to. `places` says where each item is.
[[nodiscard]] std::vector<stage::Copy> copies_of(const plan::RankPlan& plan, const plan::LocalPlan& local,
                                                 const std::vector<cuda::Place>& places, const Selection& selection,
                                                 std::byte* arena);

/// One rank's copying for one save: into the arena, to the helper, and the word that it is there. A failure is told to the
/// helper too, so that all ranks learn it from the save's outcome.
class Staging {
 public:
  Staging(std::shared_ptr<Line> line, std::shared_ptr<stage::Stager> stager, std::shared_ptr<Landing> landing,
          std::uint64_t bytes, transport::Staged staged, double timeout_s)
      : line_(std::move(line)),
        stager_(std::move(stager)),
        landing_(std::move(landing)),
        bytes_(bytes),
        staged_(std::move(staged)),
        timeout_s_(timeout_s) {}

  /// Copies values, which change as soon as async_save returns.
  void copy_now(std::vector<stage::Copy> copies);
  /// Begins with the tensors.
  void begin(std::vector<stage::Copy> copies, cuda::Stream after);
  /// What has begun; nothing where it failed.
  [[nodiscard]] const std::shared_ptr<stage::Underway>& underway() const noexcept { return underway_; }
  /// In any thread: the rest. Returns the seconds that it took, or throws what it met, at whatever step.
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

  std::shared_ptr<Line> line_;
  std::shared_ptr<stage::Stager> stager_;
  std::shared_ptr<Landing> landing_;
  std::shared_ptr<stage::Underway> underway_;
  std::uint64_t bytes_ = 0;
  transport::Staged staged_;
  double timeout_s_ = 0;
};

}  // namespace holdfast::api
