#pragma once

#include <functional>

namespace holdfast {

/// Runs `work` in this thread and in `count` - 1 more, which live for the call. After all have ended, rethrows the
/// first exception of any of them. If the system refuses threads, the work is done by fewer.
void run_in_threads(int count, const std::function<void()>& work);

}  // namespace holdfast
