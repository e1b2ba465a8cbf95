#include <fmt/format.h>

#include <cmath>
#include <holdfast/future.hpp>

#include "api/save.hpp"
#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/owner.hpp"

namespace holdfast {
namespace api {
namespace {

constexpr Seconds longest_note{2};

}  // namespace

void Save::wait_staged() {
  const cuda::Range range("holdfast: wait for staging");
  if (staging_.valid()) stats_.stage_s = staging_.get();
  copies_.reset();
}

void Save::wait_staged(CUstream_st* stream) {
  if (!staging_.valid()) return;
  const bool ended = staging_.wait_for(Seconds(0)) == std::future_status::ready;
  if (ended || !copies_ || !copies_->hold(stream)) wait_staged();
}

void Save::finish_staging() noexcept {
  try {
    wait_staged();
  } catch (const std::exception& error) {
    log::warning("step {} was not staged: {}", stats_.step, error.what());
  }
}

bool Save::ready() {
  if (!skipped_ && !done_) end_with(line_->poll(number_));
  return skipped_ || done_;
}

/// The staging thread tells the helper what it met, so its exception is not needed here.
bool Save::staged_before(Deadline deadline) {
  if (!staging_.valid()) return true;
  while (staging_.wait_for(deadline.pause()) == std::future_status::timeout)
    if (deadline.over()) return false;
  return true;
}

bool Save::settle(Deadline deadline) {
  if (!skipped_ && !done_ && staged_before(deadline)) end_with(line_->wait(number_, deadline));
  return skipped_ || done_;
}

/// What the helper has left behind, it has not written into the event log.
void Save::end_with(std::optional<transport::Done> done) {
  done_ = std::move(done);
  if (done_ && done_->failed && done_->last_word) noted_ = line_->note_lost(stats_.step, to_error(done_->error));
}

/// A program may end with the Error that follows.
void Save::await_note() const {
  if (noted_.valid() && noted_.wait_for(longest_note) != std::future_status::ready)
    log::warning("the line about the lost save of step {} is not in the event log yet", stats_.step);
}

SaveStats Save::wait(Seconds timeout) {
  const cuda::Range range("holdfast: wait for the commit");
  if (std::isnan(timeout.count())) throw Error(ErrorCode::invalid_argument, "the timeout of SaveFuture::wait() is not a number");
  if (!settle(Deadline(timeout)))
    throw Error(ErrorCode::timeout,
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

namespace {

Save& checked(const std::shared_ptr<Save>& save) {
  if (!save) throw Error(ErrorCode::invalid_state, "the SaveFuture belongs to no save");
  require_owner(save, "SaveFuture");
  return *save;
}

}  // namespace
}  // namespace api

std::int64_t SaveFuture::step() const {
  return api::checked(save_).step();
}
bool SaveFuture::skipped() const {
  return api::checked(save_).skipped();
}
void SaveFuture::wait_staged() const {
  api::checked(save_).wait_staged();
}
void SaveFuture::wait_staged(CUstream_st* stream) const {
  api::checked(save_).wait_staged(stream);
}
bool SaveFuture::ready() const {
  return api::checked(save_).ready();
}
SaveStats SaveFuture::wait() const {
  return wait(api::checked(save_).default_timeout());
}
SaveStats SaveFuture::wait(std::chrono::duration<double> timeout) const {
  return api::checked(save_).wait(timeout);
}

}  // namespace holdfast
