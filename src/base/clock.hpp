#pragma once

#include <chrono>

namespace holdfast {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// Seconds since construction.
class Stopwatch {
 public:
  [[nodiscard]] double seconds() const { return Seconds(Clock::now() - start_).count(); }

 private:
  Clock::time_point start_ = Clock::now();
};

/// A point in time at which a wait gives up.
class Deadline {
 public:
  explicit Deadline(Seconds timeout) : end_(Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout)) {}

  [[nodiscard]] Clock::time_point end() const { return end_; }
  [[nodiscard]] bool over() const { return Clock::now() >= end_; }
  /// Milliseconds left for poll(2), rounded up, at least 0, at most `cap`.
  [[nodiscard]] int poll_ms(int cap) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now()).count();
    return left < 0 ? 0 : left > cap ? cap : static_cast<int>(left);
  }

 private:
  Clock::time_point end_;
};

}  // namespace holdfast
