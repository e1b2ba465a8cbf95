#include "base/clock.hpp"

#include <mutex>

namespace holdfast {

RunningClock::time_point RunningClock::now() noexcept {
  static constinit std::mutex mutex;
  static constinit Clock::time_point looked{};
  static constinit time_point running{};
  constexpr auto longest = std::chrono::duration_cast<duration>(longest_pause);
  const std::lock_guard guard(mutex);
  const Clock::time_point now = Clock::now();
  running += std::min<duration>(now - looked, longest);
  looked = now;
  return running;
}

}  // namespace holdfast
