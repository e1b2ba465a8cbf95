#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/unique_handle.hpp"
#include "transport/channel.hpp"

namespace holdfast::transport {

/// The rank's channel and lifeline, shared by its Connection and its arenas. Thread-safe. No thread holds the mutex
/// while it sleeps. One of the waiting threads watches the descriptors and notifies the others.
class SharedChannel {
 public:
  /// The helper, as it introduced itself.
  struct Helper {
    std::string host;
    int pid = -1;
  };

  SharedChannel(FileDescriptor lifeline, std::unique_ptr<Channel> channel, Helper helper);
  SharedChannel(const SharedChannel&) = delete;
  SharedChannel& operator=(const SharedChannel&) = delete;

  [[nodiscard]] const Helper& helper() const noexcept { return helper_; }
  /// Returns the message's number.
  std::uint32_t send(MessageType type, Bytes payload, Deadline deadline);
  std::optional<Message> receive(Deadline deadline);
  void close() noexcept;
  /// True if the helper's process ended, and was reaped if that is waited for, before the deadline, or if the kernel
  /// gives no descriptor of it.
  [[nodiscard]] bool await_exit(bool is_reaped, Deadline deadline) const noexcept;
  void kill_helper() const noexcept;

  /// Starts an operation and waits until it is done. Errors call it `what`.
  using Start = std::function<std::shared_ptr<ucx::Operation>(Channel&)>;
  void complete(const char* what, Deadline deadline, const Start& start);
  /// Runs `action` while no other thread uses the channel.
  template <class Action>
  auto with_channel(Action&& action) {
    const std::lock_guard guard(mutex_);
    return action(*channel_);
  }

 private:
  using Lock = std::unique_lock<std::mutex>;
  bool wait(Lock& lock, Deadline deadline, const std::function<bool()>& done);
  void progress();
  void rest(Lock& lock, Deadline deadline);
  void watch(Lock& lock, int worker, int timeout_ms);
  void tell_others();
  void require_channel() const;

  const Helper helper_;
  const FileDescriptor lifeline_, process_, nudge_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<Channel> channel_;
  bool watching_ = false;  ///< a thread sleeps on the descriptors
  bool closed_ = false;
};

}  // namespace holdfast::transport
