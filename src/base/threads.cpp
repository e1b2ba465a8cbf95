#include "base/threads.hpp"

#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/log.hpp"

namespace holdfast {

void run_in_threads(int count, const std::function<void()>& work) {
  std::mutex mutex;
  std::exception_ptr failure;
  const auto guarded = [&] {
    try {
      work();
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    try {
      for (int i = 1; i < count; ++i) others.emplace_back(guarded);
    } catch (const std::system_error& error) {
      log::warning("working with {} of {} threads: {}", others.size() + 1, count, error.what());
    }
    guarded();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace holdfast
