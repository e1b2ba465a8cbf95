#include "transport/wire.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <csignal>

#include "base/error_text.hpp"
#include "base/process.hpp"
#include "transport/socket.hpp"

namespace holdfast::transport {
namespace {

/// Pause while the helper's receive queue is full: no descriptor tells when there is room, and the worker's stays readable.
constexpr int congested_ms = 1;
constexpr int no_descriptor = -1;  // which poll(2) passes over

FileDescriptor make_eventfd() {
  FileDescriptor fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd) throw Error(ErrorCode::launch, "eventfd: " + errno_text(errno), {.host = host_name()});
  return fd;
}

}  // namespace

Wire::Wire(FileDescriptor lifeline, std::unique_ptr<Line> line, Helper helper)
    : helper_(std::move(helper)),
      lifeline_(std::move(lifeline)),
      process_(watch_process_of(lifeline_.get())),
      nudge_(make_eventfd()),
      line_(std::move(line)) {}

std::uint32_t Wire::send(MessageType type, Bytes payload, Deadline deadline) {
  std::uint32_t number = 0;
  complete("a message", deadline, [&](Line& line) {
    auto sent = line.send(type, std::move(payload));
    number = sent.number;
    return std::move(sent.operation);
  });
  return number;
}

void Wire::complete(const char* what, Deadline deadline, const Start& start) {
  Lock lock(mutex_);
  require_line();
  const auto operation = start(*line_);
  tell_others();
  if (!wait(lock, deadline, [&] { return operation->done(); }))
    throw Error(ErrorCode::timeout, fmt::format("{} did not reach the helper (pid {}) in time", what, helper_.pid),
                {.host = helper_.host});
  operation->check(what);
}

std::optional<Message> Wire::receive(Deadline deadline) {
  Lock lock(mutex_);
  std::optional<Message> message;
  wait(lock, deadline, [&] { return (message = line_->take()).has_value(); });
  return message;
}

/// The descriptor stays open: a thread may be asleep on it, and wakes up by this.
void Wire::close() noexcept {
  const std::lock_guard guard(mutex_);
  closed_ = true;
  shutdown(lifeline_.get(), SHUT_RDWR);
  changed_.notify_all();
}

bool Wire::await_exit(Deadline deadline) const noexcept {
  return !process_ || process::is_reaped(process_.get(), deadline);
}

void Wire::kill_helper() const noexcept {
  process::send_signal(process_.get(), SIGKILL);
}

void Wire::require_line() const {
  if (closed_) throw Error(ErrorCode::invalid_state, "the line to the helper was closed", {.host = host_name()});
  if (is_cut(lifeline_.get()))
    throw Error(ErrorCode::helper_lost,
                fmt::format("the helper (pid {}) is gone{}", helper_.pid, process::how_it_ended(process_.get())),
                {.host = helper_.host});
}

/// True when `done`, false when the deadline is over first. The lifeline is looked at before the last progress, so that
/// nothing which the helper sent before it died is missed.
bool Wire::wait(Lock& lock, Deadline deadline, const std::function<bool()>& done) {
  for (;;) {
    const bool cut = closed_ || is_cut(lifeline_.get());
    progress();
    if (done()) return true;
    if (cut) require_line();
    if (deadline.over()) return false;
    rest(lock, deadline);
  }
}

void Wire::progress() {
  bool any = false;
  while (line_->worker().progress()) any = true;
  if (any) tell_others();
}

/// What this thread did may have been what another one waits for, or may need that one to look again before it sleeps.
void Wire::tell_others() {
  changed_.notify_all();
  if (watching_) eventfd_write(nudge_.get(), 1);
}

void Wire::rest(Lock& lock, Deadline deadline) {
  if (watching_)
    changed_.wait_for(lock, deadline.pause());
  else if (line_->worker().arm())
    watch(lock, line_->worker().event_fd(), deadline.poll_ms());
  else if (!line_->worker().progress())
    watch(lock, no_descriptor, deadline.poll_ms(congested_ms));
}

void Wire::watch(Lock& lock, int worker, int timeout_ms) {
  std::array<pollfd, 3> events = {{{lifeline_.get(), POLLIN, 0}, {nudge_.get(), POLLIN, 0}, {worker, POLLIN, 0}}};
  watching_ = true;
  lock.unlock();
  poll(events.data(), events.size(), timeout_ms);
  lock.lock();
  watching_ = false;
  eventfd_t ignored = 0;
  eventfd_read(nudge_.get(), &ignored);
  changed_.notify_all();
}

}  // namespace holdfast::transport
