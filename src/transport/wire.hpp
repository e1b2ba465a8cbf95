#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/unique_handle.hpp"
#include "transport/line.hpp"

namespace holdfast::transport {

/// The rank's line and lifeline, shared by its Connection and its arenas; thread-safe. Nobody holds the mutex while asleep.
/// Of the threads that wait, one watches the descriptors; the others are told by it.
class Wire {
 public:
  /// The helper, as it introduced itself.
  struct Helper {
    std::string host;
    int pid = -1;
  };

  Wire(FileDescriptor lifeline, std::unique_ptr<Line> line, Helper helper);
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  [[nodiscard]] const Helper& helper() const noexcept { return helper_; }
  /// Returns the message's number.
  std::uint32_t send(MessageType type, Bytes payload, Deadline deadline);
  std::optional<Message> receive(Deadline deadline);
  void close() noexcept;
  /// True when the helper's process has ended before the deadline, and its parent knows, or nobody can tell.
  [[nodiscard]] bool await_exit(Deadline deadline) const noexcept;
  void kill_helper() const noexcept;

  /// Starts an operation and waits for it, which is called `what` in errors.
  using Start = std::function<std::shared_ptr<ucx::Operation>(Line&)>;
  void complete(const char* what, Deadline deadline, const Start& start);
  /// Runs `action` while no other thread uses the line.
  template <class Action>
  auto with_line(Action&& action) {
    const std::lock_guard guard(mutex_);
    return action(*line_);
  }

 private:
  using Lock = std::unique_lock<std::mutex>;
  bool wait(Lock& lock, Deadline deadline, const std::function<bool()>& done);
  void progress();
  void rest(Lock& lock, Deadline deadline);
  void watch(Lock& lock, int worker, int timeout_ms);
  void tell_others();
  void require_line() const;

  const Helper helper_;
  const FileDescriptor lifeline_, process_, nudge_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<Line> line_;
  bool watching_ = false;  ///< a thread sleeps on the descriptors
  bool closed_ = false;
};

}  // namespace holdfast::transport
