#pragma once

#include <functional>

namespace holdfast {

/// Runs `work` in this thread and in `count` - 1 more, which live for the call. Throws the first thing that one of them threw,
/// after all have ended. A system that refuses a thread makes it slower, not wrong.
void run_in_threads(int count, const std::function<void()>& work);

}  // namespace holdfast
