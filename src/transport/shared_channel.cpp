#include "transport/shared_channel.hpp"

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

/// Pause while the helper's receive queue is full: no descriptor tells of room, and the worker's stays readable.
constexpr int congested_ms = 1;
constexpr int no_descriptor = -1;  // poll(2) ignores it

FileDescriptor make_eventfd() {
  FileDescriptor fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd) throw Error(ErrorCode::launch, "eventfd: " + errno_text(errno), {.host = host_name()});
  return fd;
}

}  // namespace

SharedChannel::SharedChannel(FileDescriptor lifeline, std::unique_ptr<Channel> channel, Helper helper)
    : helper_(std::move(helper)),
      lifeline_(std::move(lifeline)),
      process_(watch_process_of(lifeline_.get())),
      nudge_(make_eventfd()),
      channel_(std::move(channel)) {}

std::uint32_t SharedChannel::send(MessageType type, Bytes payload, Deadline deadline) {
  std::uint32_t number = 0;
  complete("a message", deadline, [&](Channel& channel) {
    auto sent = channel.send(type, std::move(payload));
    number = sent.number;
    return std::move(sent.operation);
  });
  return number;
}

void SharedChannel::complete(const char* what, Deadline deadline, const Start& start) {
  Lock lock(mutex_);
  require_channel();
  const auto operation = start(*channel_);
  tell_others();
  if (!wait(lock, deadline, [&] { return operation->done(); }))
    throw Error(ErrorCode::timeout, fmt::format("{} did not reach the helper (pid {}) in time", what, helper_.pid),
                {.host = helper_.host});
  operation->check(what);
}

std::optional<Message> SharedChannel::receive(Deadline deadline) {
  Lock lock(mutex_);
  std::optional<Message> message;
  wait(lock, deadline, [&] { return (message = channel_->take()).has_value(); });
  return message;
}

/// Shuts the lifeline down but keeps its descriptor: a thread that sleeps on it wakes up.
void SharedChannel::close() noexcept {
  const std::lock_guard guard(mutex_);
  closed_ = true;
  shutdown(lifeline_.get(), SHUT_RDWR);
  changed_.notify_all();
}

bool SharedChannel::await_exit(bool is_reaped, Deadline deadline) const noexcept {
  if (!process_) return true;
  return is_reaped ? process::is_reaped(process_.get(), deadline) : process::has_ended(process_.get(), deadline);
}

void SharedChannel::kill_helper() const noexcept {
  process::send_signal(process_.get(), SIGKILL);
}

void SharedChannel::require_channel() const {
  if (closed_) throw Error(ErrorCode::invalid_state, "the channel to the helper was closed", {.host = host_name()});
  if (is_cut(lifeline_.get()))
    throw Error(ErrorCode::helper_lost,
                fmt::format("the helper (pid {}) is gone{}", helper_.pid, process::how_it_ended(process_.get())),
                {.host = helper_.host});
}

/// True when `done`, false when the deadline is over first. The lifeline is checked before the last progress, so that
/// no message that the helper sent before it died is missed.
bool SharedChannel::wait(Lock& lock, Deadline deadline, const std::function<bool()>& done) {
  for (;;) {
    const bool cut = closed_ || is_cut(lifeline_.get());
    progress();
    if (done()) return true;
    if (cut) require_channel();
    if (deadline.over()) return false;
    rest(lock, deadline);
  }
}

void SharedChannel::progress() {
  bool any = false;
  while (channel_->worker().progress()) any = true;
  if (any) tell_others();
}

/// Another thread may wait for what this one did, or has to arm the worker again before it sleeps.
void SharedChannel::tell_others() {
  changed_.notify_all();
  if (watching_) eventfd_write(nudge_.get(), 1);
}

void SharedChannel::rest(Lock& lock, Deadline deadline) {
  if (watching_)
    changed_.wait_for(lock, deadline.pause());
  else if (channel_->worker().arm())
    watch(lock, channel_->worker().event_fd(), deadline.poll_ms());
  else if (!channel_->worker().progress())
    watch(lock, no_descriptor, deadline.poll_ms(congested_ms));
}

void SharedChannel::watch(Lock& lock, int worker, int timeout_ms) {
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
