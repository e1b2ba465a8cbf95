#pragma once

#include <algorithm>
#include <chrono>

namespace holdfast {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// The cap of all times: practically for ever, and within the range of the clock.
inline constexpr Seconds longest_time = std::chrono::years(10);

/// Converts to the clock's unit, clamped to [0, longest_time]. `time` must not be NaN.
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

/// Counts the time in which this process ran; deadlines use it. The time between two calls of now(), by any threads,
/// counts as one second at most, so the timeouts of a job that was suspended have not expired when it resumes. A
/// waiting thread must call now() at least once per second.
struct RunningClock {
  using duration = Clock::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<RunningClock>;
  static constexpr bool is_steady = true;
  static constexpr Seconds longest_pause{1};

  [[nodiscard]] static time_point now() noexcept;
};

/// How long a peer has been silent. The time between two calls of seconds() counts as one second at most: a listener
/// that does not look cannot hear the peer.
class LivenessTimer {
 public:
  /// Seconds of silence so far. Must be called at least once per second.
  double seconds() {
    const Clock::time_point now = Clock::now();
    silent_ += std::min(Seconds(now - looked_), Seconds(1));
    looked_ = now;
    return silent_.count();
  }
  /// The peer was heard: the silence ends.
  void end() {
    silent_ = Seconds(0);
    looked_ = Clock::now();
  }

 private:
  Clock::time_point looked_ = Clock::now();
  Seconds silent_{0};
};

/// The end of a wait, after a timeout that RunningClock counts.
class Deadline {
 public:
  explicit Deadline(Seconds timeout) : end_(RunningClock::now() + on_clock(timeout)) {}

  [[nodiscard]] Seconds left() const { return end_ - RunningClock::now(); }
  [[nodiscard]] bool over() const { return left() <= Seconds(0); }
  /// The earlier of this deadline and one `timeout` from now.
  [[nodiscard]] Deadline or_within(Seconds timeout) const {
    const Deadline other(timeout);
    return other.end_ < end_ ? other : *this;
  }
  /// How long to sleep before the next look at the clock: the time left, clamped to [0, RunningClock::longest_pause].
  [[nodiscard]] Seconds pause() const { return std::clamp(left(), Seconds(0), RunningClock::longest_pause); }
  /// pause() in milliseconds for poll(2), rounded up, at most `cap`.
  [[nodiscard]] int poll_ms(int cap = 1000) const {
    const auto left_ms = std::chrono::ceil<std::chrono::milliseconds>(pause()).count();
    return std::min(static_cast<int>(left_ms), cap);
  }

 private:
  RunningClock::time_point end_;
};

}  // namespace holdfast
