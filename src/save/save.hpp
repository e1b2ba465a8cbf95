#pragma once

#include <functional>
#include <future>
#include <holdfast/error.hpp>
#include <holdfast/future.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "save/helper_client.hpp"
#include "stage/stager.hpp"

namespace holdfast::save {

/// One save of one rank, which a SaveFuture points to.
class Save {
 public:
  /// Makes a save that WhenBusy::skip left out.
  explicit Save(std::int64_t step) : skipped_(true) { stats_.step = step; }
  Save(std::shared_ptr<HelperClient> client, std::uint64_t number, SaveStats stats, double timeout_s)
      : client_(std::move(client)), number_(number), stats_(std::move(stats)), timeout_s_(timeout_s) {}

  /// Sets the staging, which runs in a thread or is deferred to the first wait, and returns the seconds that it took.
  /// `copies` is null if they could not begin.
  void stages_in(std::future<double> staging, std::shared_ptr<stage::PendingCopy> copies) {
    staging_ = std::move(staging);
    copies_ = std::move(copies);
  }
  /// Waits for the staging, or runs it if it is deferred. Only logs its errors: the helper knows them, and wait()
  /// throws them on all ranks.
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
  /// Waits until the save is committed or has failed. Returns false if the deadline passes first. Does not throw the
  /// failure.
  [[nodiscard]] bool settle(Deadline deadline);
  /// Sets what tell_done() calls.
  void on_done(std::function<void()> function) { on_done_ = std::move(function); }
  [[nodiscard]] bool tells() const noexcept { return on_done_ != nullptr; }
  /// Calls the function of on_done(), once. Only logs what it throws.
  void tell_done() noexcept;
  /// Returns the failure of the save if it has failed and nobody has waited for it.
  [[nodiscard]] std::optional<Error> unseen_failure() const;

 private:
  bool staged_before(Deadline deadline);
  void end_with(std::optional<transport::Done> done);
  void await_note() const;

  std::shared_ptr<HelperClient> client_;
  std::uint64_t number_ = 0;
  SaveStats stats_;
  double timeout_s_ = 0;
  bool skipped_ = false;
  bool seen_ = false;
  std::future<double> staging_;
  std::shared_ptr<stage::PendingCopy> copies_;
  std::optional<transport::Done> done_;
  std::function<void()> on_done_;
  std::shared_future<void> noted_;  ///< ready when the event log has the line about a lost save, if this rank writes it
};

}  // namespace holdfast::save
