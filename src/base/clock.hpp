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

/// How long somebody has been silent while this process was running: what passes between two looks counts for a second at most,
/// so that a whole job which was stopped, and goes on, does not hold its own rest against the others.
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

/// A point in time at which a wait gives up.
class Deadline {
 public:
  explicit Deadline(Seconds timeout) : end_(Clock::now() + on_clock(timeout)) {}

  [[nodiscard]] Clock::time_point end() const { return end_; }
  [[nodiscard]] bool over() const { return Clock::now() >= end_; }
  /// The earlier of this one and one `timeout` from now.
  [[nodiscard]] Deadline or_within(Seconds timeout) const {
    const Deadline other(timeout);
    return other.end_ < end_ ? other : *this;
  }
  /// Milliseconds left for poll(2), rounded up, at least 0, at most `cap`.
  [[nodiscard]] int poll_ms(int cap) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now()).count();
    return left < 0 ? 0 : left > cap ? cap : static_cast<int>(left);
  }

 private:
  Clock::time_point end_;
};

}  // namespace holdfast
