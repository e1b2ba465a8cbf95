#pragma once

#include <future>
#include <holdfast/error.hpp>
#include <holdfast/future.hpp>
#include <memory>
#include <optional>

#include "api/line.hpp"
#include "stage/stager.hpp"

namespace holdfast::api {

/// What a SaveFuture points to: one save of one rank.
class Save {
 public:
  /// A save that WhenBusy::skip left out.
  explicit Save(std::int64_t step) : skipped_(true) { stats_.step = step; }
  Save(std::shared_ptr<Line> line, std::uint64_t number, SaveStats stats, double timeout_s)
      : line_(std::move(line)), number_(number), stats_(std::move(stats)), timeout_s_(timeout_s) {}

  /// The copying, in a thread or deferred to whoever waits; its result is the seconds it took.
  /// `copies` is empty where they could not begin.
  void stages_in(std::future<double> staging, std::shared_ptr<stage::Underway> copies) {
    staging_ = std::move(staging);
    copies_ = std::move(copies);
  }
  /// Stages now. What that meets, the helper was told, and wait() throws it on all ranks.
  void finish_staging() noexcept;
  void blocked_for(double seconds) { stats_.blocked_s = seconds; }

  [[nodiscard]] std::int64_t step() const noexcept { return stats_.step; }
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] bool skipped() const noexcept { return skipped_; }
  void wait_staged();
  void wait_staged(CUstream_st* stream);
  [[nodiscard]] bool ready();
  SaveStats wait(Seconds timeout);
  [[nodiscard]] Seconds default_timeout() const noexcept { return Seconds(timeout_s_); }
  /// Waits until the save has ended, well or badly; false when the deadline is over first. Throws nothing of the save's.
  [[nodiscard]] bool settle(Deadline deadline);
  /// The failure of a save that has ended and that nobody has waited for.
  [[nodiscard]] std::optional<Error> unseen_failure() const;

 private:
  bool staged_before(Deadline deadline);
  void end_with(std::optional<transport::Done> done);
  void await_note() const;

  std::shared_ptr<Line> line_;
  std::uint64_t number_ = 0;
  SaveStats stats_;
  double timeout_s_ = 0;
  bool skipped_ = false;
  bool seen_ = false;
  std::future<double> staging_;
  std::shared_ptr<stage::Underway> copies_;
  std::optional<transport::Done> done_;
  std::shared_future<void> noted_;  ///< a line in the event log, if this rank writes one
};

}  // namespace holdfast::api
