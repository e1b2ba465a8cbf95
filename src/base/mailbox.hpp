#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace holdfast {

/// An unbounded queue between threads.
template <class T>
class Mailbox {
 public:
  void push(T item) {
    {
      std::lock_guard guard(mutex_);
      items_.push_back(std::move(item));
    }
    arrived_.notify_one();
  }
  /// Sleeps until there is an item.
  [[nodiscard]] T pop() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return !items_.empty(); });
    return take_first();
  }
  /// Returns nothing if the queue is empty; never waits.
  [[nodiscard]] std::optional<T> try_pop() {
    std::lock_guard guard(mutex_);
    if (items_.empty()) return std::nullopt;
    return take_first();
  }

 private:
  T take_first() {
    T item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<T> items_;
};

}  // namespace holdfast
