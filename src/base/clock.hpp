#pragma once

#include <algorithm>
#include <chrono>

namespace holdfast {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// Times from here on are taken as this: it is for ever, and the clock can count it.
inline constexpr Seconds longest_time = std::chrono::years(10);

/// A time as the clock counts it; one below 0 is none at all. Not for NaN.
[[nodiscard]] constexpr Clock::duration on_clock(Seconds time) {
  return std::chrono::duration_cast<Clock::duration>(std::clamp(time, Seconds(0), longest_time));
}

/// Seconds since construction.
class Stopwatch {
 public:
  [[nodiscard]] double seconds() const { return Seconds(Clock::now() - start_).count(); }

 private:
  Clock::time_point start_ = Clock::now();
};

/// The time in which this process ran, for whatever gives up after a while: what passes between two looks of any thread counts for a
/// second at most, so that a job which was stopped, and goes on, does not find its time over. Whoever waits looks at least once per second.
struct RunningClock {
  using duration = Clock::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<RunningClock>;
  static constexpr bool is_steady = true;
  static constexpr Seconds longest_pause{1};

  [[nodiscard]] static time_point now() noexcept;
};

/// How long somebody has been silent to one who listens: what passes between two looks of this one counts for a second at most, as
/// who does not look hears nothing.
class Silence {
 public:
  /// Looks at the clock; call it at least once per second.
  double seconds() {
    const Clock::time_point now = Clock::now();
    silent_ += std::min(Seconds(now - looked_), Seconds(1));
    looked_ = now;
    return silent_.count();
  }
  /// Something was heard.
  void end() {
    silent_ = Seconds(0);
    looked_ = Clock::now();
  }

 private:
  Clock::time_point looked_ = Clock::now();
  Seconds silent_{0};
};

/// When a wait gives up, after a timeout of running time.
class Deadline {
 public:
  explicit Deadline(Seconds timeout) : end_(RunningClock::now() + on_clock(timeout)) {}

  [[nodiscard]] Seconds left() const { return end_ - RunningClock::now(); }
  [[nodiscard]] bool over() const { return left() <= Seconds(0); }
  /// The earlier of this one and one `timeout` from now.
  [[nodiscard]] Deadline or_within(Seconds timeout) const {
    const Deadline other(timeout);
    return other.end_ < end_ ? other : *this;
  }
  /// How long to sleep before the next look: what is left, at least 0, at most RunningClock::longest_pause.
  [[nodiscard]] Seconds pause() const { return std::clamp(left(), Seconds(0), RunningClock::longest_pause); }
  /// The same in milliseconds for poll(2), rounded up, at most `cap`.
  [[nodiscard]] int poll_ms(int cap = 1000) const {
    const auto left_ms = std::chrono::ceil<std::chrono::milliseconds>(pause()).count();
    return std::min(static_cast<int>(left_ms), cap);
  }

 private:
  RunningClock::time_point end_;
};

}  // namespace holdfast
