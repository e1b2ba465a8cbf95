#include "helper/heartbeat_monitor.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/error_text.hpp"

namespace holdfast::helper {
namespace {

/// Kinds of control messages. The value is the number of the lost helper, or the rank that died.
enum MessageKind : std::int64_t { heartbeat, helper_lost, rank_died };

/// Heartbeats that fit into the longest silence, at least.
constexpr double heartbeats = 20;
constexpr double slowest_beat_s = 1;
constexpr double flush_timeout_s = 1;

}  // namespace

HeartbeatMonitor::HeartbeatMonitor(const mpi::Communicator& helpers, std::function<void(Outcome)> report)
    : comm_(helpers), report_(std::move(report)) {}

void HeartbeatMonitor::start(double longest_silence_s) {
  if (comm_.size() == 1) return;
  longest_silence_s_ = longest_silence_s;
  for (const Bytes& name : comm_.all_gather(encode(Name{.host = host_name(), .pid = getpid()})))
    names_.push_back(decode<Name>(name));
  if (!mpi::threads_may_call()) return;
  const std::lock_guard guard(mutex_);
  for (int other = 0; other < comm_.size(); ++other)
    if (other != comm_.rank() && (other == 0 || comm_.rank() == 0)) partners_.push_back({.number = other});
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

int HeartbeatMonitor::tell_rank_died(int rank) {
  await_round();
  if (is_first_death(rank)) tell({.kind = rank_died, .value = rank});
  const std::lock_guard guard(mutex_);
  return *first_death_;
}

void HeartbeatMonitor::tell_leaving() {
  tell({.kind = helper_lost, .value = comm_.rank()});
}

void HeartbeatMonitor::tell(mpi::ControlMessage news) {
  pass_on(news, comm_.rank());
  changed_.notify_all();
}

/// Messages lie unread between two rounds. Returns when a round that began after the call is over, or after
/// flush_timeout_s.
void HeartbeatMonitor::await_round() {
  if (!thread_.joinable()) return;
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = wanted_rounds_ = rounds_ + 2;  // the current one may be half done
  changed_.notify_all();
  changed_.wait_for(lock, Seconds(flush_timeout_s), [&] { return rounds_ >= wanted; });
}

bool HeartbeatMonitor::all_told() {
  const std::lock_guard guard(mutex_);
  return std::ranges::all_of(partners_, [](const Partner& partner) { return partner.news.empty(); });
}

void HeartbeatMonitor::flush() {
  const Deadline deadline{Seconds(flush_timeout_s)};
  while (!all_told() && !deadline.over()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

void HeartbeatMonitor::run(const std::stop_token& stop) {
  const Seconds pause(std::min(slowest_beat_s, longest_silence_s_ / heartbeats));
  try {
    mpi::ControlMessages messages(comm_);
    while (!stop.stop_requested()) {
      listen(messages);
      look_for_silence();
      speak(messages);
      std::unique_lock lock(mutex_);
      ++rounds_;
      changed_.notify_all();
      changed_.wait_for(lock, stop, pause, [&] { return told_ || rounds_ < wanted_rounds_; });
      told_ = false;
    }
  } catch (...) {
    report_(HelperLost{current_error()});
  }
}

void HeartbeatMonitor::listen(mpi::ControlMessages& messages) {
  while (const auto arrived = messages.take()) {
    const auto partner = std::ranges::find(partners_, arrived->from, &Partner::number);
    if (partner != partners_.end()) partner->liveness.end();
    hear(arrived->message, arrived->from);
  }
}

/// Only the first death is news: at the end of a job there are many.
void HeartbeatMonitor::hear(mpi::ControlMessage message, int from) {
  const auto value = static_cast<int>(message.value);
  if (message.kind == rank_died && is_first_death(value)) {
    pass_on(message, from);
    report_(RankDied{.rank = value});
  } else if (message.kind == helper_lost && !lost_one_) {
    pass_on(message, from);
    lose(value, "is lost");
  }
}

bool HeartbeatMonitor::is_first_death(int rank) {
  const std::lock_guard guard(mutex_);
  if (first_death_) return false;
  first_death_ = rank;
  return true;
}

void HeartbeatMonitor::look_for_silence() {
  for (Partner& partner : partners_) {
    if (partner.liveness.seconds() < longest_silence_s_ || lost_one_) continue;
    pass_on({.kind = helper_lost, .value = partner.number}, partner.number);
    lose(partner.number, fmt::format("has been silent for {} s (Options::helper_timeout_s)", longest_silence_s_));
  }
}

void HeartbeatMonitor::lose(int helper, const std::string& why) {
  if (std::exchange(lost_one_, true)) return;
  const Name& name = names_.at(static_cast<std::size_t>(helper));
  report_(HelperLost{
      Error(ErrorCode::helper_lost, fmt::format("the helper (pid {}) {}", name.pid, why), {.host = name.host})});
}

/// Sends each partner its next news, or a heartbeat if there is none. One message per partner is in flight at a time.
void HeartbeatMonitor::speak(mpi::ControlMessages& messages) {
  const std::lock_guard guard(mutex_);
  for (Partner& partner : partners_) {
    const bool any = !partner.news.empty();
    if (messages.send(partner.number, any ? partner.news.front() : mpi::ControlMessage{.kind = heartbeat}) && any)
      partner.news.pop_front();
  }
}

/// All other helpers are partners of helper 0, so news that it gets reaches every helper.
void HeartbeatMonitor::pass_on(mpi::ControlMessage news, int from) {
  const std::lock_guard guard(mutex_);
  for (Partner& partner : partners_)
    if (partner.number != from) partner.news.push_back(news);
  told_ = true;
}

}  // namespace holdfast::helper
