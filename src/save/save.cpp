#include "save/save.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/error_text.hpp"
#include "base/log.hpp"

namespace holdfast::save {
namespace {

constexpr Seconds longest_note{2};

}  // namespace

void Save::wait_staged() {
  const cuda::ProfilerRange range("holdfast: wait for staging");
  if (staging_.valid()) stats_.stage_s = staging_.get();
  copies_.reset();
}

void Save::wait_staged(CUstream_st* stream) {
  if (!staging_.valid()) return;
  const bool ended = staging_.wait_for(Seconds(0)) == std::future_status::ready;
  if (ended || !copies_ || !copies_->make_wait(stream)) wait_staged();
}

void Save::finish_staging() noexcept {
  try {
    wait_staged();
  } catch (const std::exception& error) {
    log::warning("step {} was not staged: {}", stats_.step, error.what());
  }
}

bool Save::ready() {
  if (!skipped_ && !done_) end_with(client_->poll(number_));
  return skipped_ || done_;
}

/// Ignores an exception of the staging, since the helper was told of it.
bool Save::staged_before(Deadline deadline) {
  if (!staging_.valid()) return true;
  while (staging_.wait_for(deadline.pause()) == std::future_status::timeout)
    if (deadline.over()) return false;
  return true;
}

bool Save::settle(Deadline deadline) {
  if (!skipped_ && !done_ && staged_before(deadline)) end_with(client_->wait(number_, deadline));
  return skipped_ || done_;
}

/// Logs a save whose failure is the helper's last message, since the helper has not logged it.
void Save::end_with(std::optional<transport::Done> done) {
  done_ = std::move(done);
  if (done_ && done_->failed && done_->last_word) noted_ = client_->note_lost(stats_.step, to_error(done_->error));
}

/// Waits for the line in the event log, since the program may end with the Error that follows.
void Save::await_note() const {
  if (noted_.valid() && noted_.wait_for(longest_note) != std::future_status::ready)
    log::warning("the line about the lost save of step {} is not in the event log yet", stats_.step);
}

SaveStats Save::wait(Seconds timeout) {
  const cuda::ProfilerRange range("holdfast: wait for the commit");
  if (std::isnan(timeout.count()))
    throw Error(ErrorCode::invalid_argument, "the timeout of SaveFuture::wait() is not a number");
  if (!settle(Deadline(timeout)))
    throw Error(
        ErrorCode::timeout,
        fmt::format("the save of step {} is not committed after {} s; it goes on", stats_.step, timeout.count()),
        {.host = host_name()});
  if (skipped_) return stats_;
  seen_ = true;
  if (done_->failed) {
    await_note();
    throw to_error(done_->error);
  }
  wait_staged();
  stats_.path = done_->path;
  stats_.bytes = done_->bytes;
  stats_.write_s = done_->write_s;
  stats_.fsync_s = done_->fsync_s;
  stats_.commit_s = done_->commit_s;
  return stats_;
}

std::optional<Error> Save::unseen_failure() const {
  if (seen_ || !done_ || !done_->failed) return std::nullopt;
  return to_error(done_->error);
}

void Save::tell_done() noexcept {
  try {
    if (const std::function<void()> function = std::exchange(on_done_, nullptr)) function();
  } catch (...) {
    log::write(log::Level::warning, std::string("a function given to SaveFuture::on_done: ") + current_error().what());
  }
}

}  // namespace holdfast::save
