#include "helper/peers.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/error_text.hpp"

namespace holdfast::helper {
namespace {

/// What a letter says; its value is a rank of the program or the number of a helper.
enum Kind : std::int64_t { beat, helper_lost, rank_died };

/// So many beats fit into the longest silence.
constexpr double beats = 20;
constexpr double slowest_beat_s = 1;
constexpr double flush_timeout_s = 1;

}  // namespace

PeerWatch::PeerWatch(const mpi::Communicator& helpers, std::function<void(Outcome)> report)
    : comm_(helpers), report_(std::move(report)) {}

void PeerWatch::start(double longest_silence_s) {
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

int PeerWatch::tell_rank_died(int rank) {
  await_round();
  if (is_first_death(rank)) tell({.kind = rank_died, .value = rank});
  const std::lock_guard guard(mutex_);
  return *first_death_;
}

void PeerWatch::tell_leaving() {
  tell({.kind = helper_lost, .value = comm_.rank()});
}

void PeerWatch::tell(mpi::Letter news) {
  pass_on(news, comm_.rank());
  changed_.notify_all();
}

/// Letters lie unread between two rounds. Returns when a round that begins after the call is over, or after a moment.
void PeerWatch::await_round() {
  if (!thread_.joinable()) return;
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = wanted_rounds_ = rounds_ + 2;  // one may be half done
  changed_.notify_all();
  changed_.wait_for(lock, Seconds(flush_timeout_s), [&] { return rounds_ >= wanted; });
}

bool PeerWatch::all_told() {
  const std::lock_guard guard(mutex_);
  return std::ranges::all_of(partners_, [](const Partner& partner) { return partner.news.empty(); });
}

void PeerWatch::flush() {
  const Deadline deadline{Seconds(flush_timeout_s)};
  while (!all_told() && !deadline.over()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

void PeerWatch::run(const std::stop_token& stop) {
  const Seconds pause(std::min(slowest_beat_s, longest_silence_s_ / beats));
  try {
    mpi::Letters letters(comm_);
    while (!stop.stop_requested()) {
      listen(letters);
      look_for_silence();
      speak(letters);
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

void PeerWatch::listen(mpi::Letters& letters) {
  while (const auto arrived = letters.take()) {
    const auto partner = std::ranges::find(partners_, arrived->from, &Partner::number);
    if (partner != partners_.end()) partner->silence.end();
    hear(arrived->letter, arrived->from);
  }
}

/// Of many deaths, such as those at a job's end, the first one is news.
void PeerWatch::hear(mpi::Letter letter, int from) {
  const auto value = static_cast<int>(letter.value);
  if (letter.kind == rank_died && is_first_death(value)) {
    pass_on(letter, from);
    report_(RankDied{.rank = value});
  } else if (letter.kind == helper_lost && !lost_one_) {
    pass_on(letter, from);
    lose(value, "is lost");
  }
}

bool PeerWatch::is_first_death(int rank) {
  const std::lock_guard guard(mutex_);
  if (first_death_) return false;
  first_death_ = rank;
  return true;
}

void PeerWatch::look_for_silence() {
  for (Partner& partner : partners_) {
    if (partner.silence.seconds() < longest_silence_s_ || lost_one_) continue;
    pass_on({.kind = helper_lost, .value = partner.number}, partner.number);
    lose(partner.number, fmt::format("has been silent for {} s (Options::helper_timeout_s)", longest_silence_s_));
  }
}

void PeerWatch::lose(int helper, const std::string& why) {
  if (std::exchange(lost_one_, true)) return;
  const Name& name = names_.at(static_cast<std::size_t>(helper));
  report_(HelperLost{Error(ErrorCode::helper_lost, fmt::format("the helper (pid {}) {}", name.pid, why), {.host = name.host})});
}

/// News before beats; one letter at a time is under way to each.
void PeerWatch::speak(mpi::Letters& letters) {
  const std::lock_guard guard(mutex_);
  for (Partner& partner : partners_) {
    const bool any = !partner.news.empty();
    if (letters.send(partner.number, any ? partner.news.front() : mpi::Letter{.kind = beat}) && any) partner.news.pop_front();
  }
}

/// Helper 0 has all the others for partners, so what it gets reaches everybody.
void PeerWatch::pass_on(mpi::Letter news, int from) {
  const std::lock_guard guard(mutex_);
  for (Partner& partner : partners_)
    if (partner.number != from) partner.news.push_back(news);
  told_ = true;
}

}  // namespace holdfast::helper
