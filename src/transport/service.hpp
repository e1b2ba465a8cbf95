#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/unique_handle.hpp"
#include "transport/arena_wish.hpp"
#include "transport/connection.hpp"
#include "transport/messages.hpp"

namespace holdfast::transport {

/// Identifies a connected rank within one Service.
using SessionId = std::uint32_t;

/// The helper's end of all lines: one thread calls run(), which sleeps until something happens and calls back from there.
class Service {
 public:
  struct Callbacks {
    std::function<void(SessionId, const Introduction&)> connected;
    std::function<void(SessionId, Message)> received;
    std::function<void(SessionId)> lost;               ///< the lifeline's end: the rank said bye, or died
    std::function<void(const MadeArena&)> arena_made;  ///< a wish is done, or cannot be
    std::function<void()> woken;          ///< after wake(), and while restless() once per second at least
    std::function<void(const Introduction&)> declined = {};  ///< a rank of this helper does not come
    std::function<bool()> restless = {};  ///< before each sleep: is there anything that no event would tell?
  };
  virtual ~Service() = default;
  /// Serves until stop() is called from a callback. Idle, it uses no CPU.
  /// All lines are closed when it returns.
  virtual void run(const Callbacks& callbacks) = 0;
  virtual void stop() = 0;
  /// From any thread: makes run() call `woken`.
  virtual void wake() = 0;

  // From callbacks only:
  /// A descriptor of the rank's process (pidfd) for the caller; none where the kernel does not give it.
  [[nodiscard]] virtual FileDescriptor process_of(SessionId session) const = 0;
  /// `about`: the number of the message that this one answers; 0: it answers none.
  virtual void send(SessionId session, MessageType type, const Bytes& payload, std::uint32_t about) = 0;
  /// ArenaMaker::room().
  [[nodiscard]] virtual std::uint64_t room() const = 0;
  /// Begins to free an arena and to make another, whose memory is faulted in; arena_made tells the end. Its error is
  /// Error(out_of_memory) saying how much was needed and what the node's shared memory has, or the helper's control group leaves.
  /// Arenas end with the Service, not with the session that wanted them, as a staged save may still be written.
  virtual void replace_arena(const ArenaWish& wish) = 0;
  virtual void drop(SessionId session) = 0;
};

/// Listens on `address`. From here on ranks can connect; they are answered once run() is called.
[[nodiscard]] std::unique_ptr<Service> listen(const Address& address);

}  // namespace holdfast::transport
