#include "base/signals.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <holdfast/error.hpp>
#include <mutex>

#include "base/error_text.hpp"
#include "base/log.hpp"

namespace holdfast {
namespace {

struct Slot {
  std::atomic<unsigned> arrivals = 0;
  struct sigaction before {};  ///< the earlier handler; does not change while ours is installed
  bool installed = false;
  bool covered = false;  ///< a handler over ours was found and reported
  int watches = 0;
};
static_assert(std::atomic<unsigned>::is_always_lock_free, "a signal handler must not wait for a lock");

constinit std::array<Slot, NSIG> slots;
/// Locked to begin, check or end a watch, never by the handler.
constinit std::mutex slots_mutex;

void pass_on(const struct sigaction& action, int signal, siginfo_t* info, void* context) {
  if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) return;
  if ((action.sa_flags & SA_SIGINFO) != 0)
    action.sa_sigaction(signal, info, context);
  else
    action.sa_handler(signal);
}

/// Runs between any two instructions of the program: it may use only lock-free atomics and data that does not change.
void on_signal(int signal, siginfo_t* info, void* context) {
  Slot& slot = slots[static_cast<std::size_t>(signal)];
  slot.arrivals.fetch_add(1, std::memory_order_relaxed);
  pass_on(slot.before, signal, info, context);
}

bool is_ours(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == on_signal;
}

/// Sets the signal's action and returns the previous one; with null, only returns it.
struct sigaction set_action(int signal, const struct sigaction* action) {
  struct sigaction current {};
  if (sigaction(signal, action, &current) != 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("signal {} cannot be watched for: {}", signal, errno_text(errno)));
  return current;
}

Slot& slot_of(int signal) {
  // Returning from a handler of one of these repeats the failed instruction or ends the process.
  constexpr std::array faults = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
  if (std::ranges::find(faults, signal) != faults.end())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("signal {} ({}) is a fault, not a request", signal, strsignal(signal)));
  if (signal < 1 || signal >= NSIG)
    throw Error(ErrorCode::invalid_argument, fmt::format("{} is not the number of a signal", signal));
  return slots[static_cast<std::size_t>(signal)];
}

void install(int signal, Slot& slot) {
  const struct sigaction current = set_action(signal, nullptr);
  if (!is_ours(current)) slot.before = current;  // the program may have restored ours, which must not call itself
  struct sigaction ours {};
  ours.sa_sigaction = on_signal;
  ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  ours.sa_mask = slot.before.sa_mask;  // the earlier handler may rely on it
  set_action(signal, &ours);
  slot.installed = true;
  slot.covered = false;
}

/// Warns once that a handler installed over ours may keep the signal from us.
void report_covered(int signal, Slot& slot) {
  if (slot.covered || is_ours(set_action(signal, nullptr))) return;
  slot.covered = true;
  log::warning("signal {} ({}) is seen only if the handler that was installed over Holdfast's passes it on", signal,
               strsignal(signal));
}

}  // namespace

SignalWatch::SignalWatch(int signal) {
  Slot& slot = slot_of(signal);
  const std::lock_guard guard(slots_mutex);
  if (!slot.installed)
    install(signal, slot);
  else
    report_covered(signal, slot);
  arrivals_before_ = slot.arrivals.load(std::memory_order_relaxed);
  ++slot.watches;
  signal_.reset(signal);
}

void SignalWatch::check() const {
  if (!signal_) return;
  const std::lock_guard guard(slots_mutex);
  report_covered(signal_.get(), slots[static_cast<std::size_t>(signal_.get())]);
}

bool SignalWatch::seen() const noexcept {
  return signal_ &&
         slots[static_cast<std::size_t>(signal_.get())].arrivals.load(std::memory_order_relaxed) != arrivals_before_;
}

void SignalWatch::Traits::release(int signal) noexcept {
  Slot& slot = slots[static_cast<std::size_t>(signal)];
  const std::lock_guard guard(slots_mutex);
  if (--slot.watches > 0) return;
  struct sigaction current {};
  if (sigaction(signal, nullptr, &current) != 0 || !is_ours(current)) return;
  slot.installed = sigaction(signal, &slot.before, nullptr) != 0;
}

}  // namespace holdfast
