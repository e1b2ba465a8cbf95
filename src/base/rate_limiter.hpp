#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>

#include "base/clock.hpp"

namespace holdfast {

/// Limits the rate of work by waits. Not thread-safe.
class RateLimiter {
 public:
  /// 0: no limit.
  explicit RateLimiter(std::uint64_t bytes_per_s) : bytes_per_s_(bytes_per_s) {}

  /// How long to wait at `now` before the next `bytes`: until the bytes before them have taken their time. Idle time
  /// earns no credit for later.
  [[nodiscard]] Seconds wait_before(std::uint64_t bytes, Clock::time_point now) {
    if (bytes_per_s_ == 0) return Seconds(0);
    const Clock::time_point begin = std::max(now, free_at_);
    free_at_ = begin + on_clock(Seconds(static_cast<double>(bytes) / static_cast<double>(bytes_per_s_)));
    return begin - now;
  }
  /// Waits for wait_before(bytes).
  void admit(std::uint64_t bytes) {
    if (const Seconds wait = wait_before(bytes, Clock::now()); wait.count() > 0) std::this_thread::sleep_for(wait);
  }
  /// How many of `bytes` to pass to admit() at once, so that a wait is short: at most a quarter of a second's worth.
  [[nodiscard]] std::uint64_t portion(std::uint64_t bytes) const noexcept {
    return bytes_per_s_ == 0 ? bytes : std::clamp<std::uint64_t>(bytes_per_s_ / 4, 1, bytes);
  }

 private:
  std::uint64_t bytes_per_s_;
  Clock::time_point free_at_{};
};

}  // namespace holdfast
