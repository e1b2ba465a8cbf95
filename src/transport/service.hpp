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

/// The helper's end of all channels. One thread calls run(), which sleeps until something happens and calls the
/// callbacks.
class Service {
 public:
  struct Callbacks {
    std::function<void(SessionId, const Introduction&)> connected;
    std::function<void(SessionId, Message)> received;
    std::function<void(SessionId)> lost;               ///< the lifeline ended: the rank left or died
    std::function<void(const MadeArena&)> arena_made;  ///< a wish is done or has failed
    std::function<void()> woken;  ///< after wake(), and at least once per second while needs_polling()
    std::function<void(const Introduction&)> declined = {};  ///< a rank of this helper does not come
    std::function<bool()> needs_polling = {};  ///< asked before each sleep: can anything change without an event?
  };
  virtual ~Service() = default;
  /// Serves until stop() is called from a callback. Uses no CPU while idle. All channels are closed when it returns.
  virtual void run(const Callbacks& callbacks) = 0;
  virtual void stop() = 0;
  /// Makes run() call `woken`. Callable from any thread.
  virtual void wake() = 0;

  // Callable from callbacks only:
  /// Returns a descriptor of the rank's process (pidfd), which the caller owns; none where the kernel gives none.
  [[nodiscard]] virtual FileDescriptor process_of(SessionId session) const = 0;
  /// `about` is the number of the message that this one answers; 0: none.
  virtual void send(SessionId session, MessageType type, const Bytes& payload, std::uint32_t about) = 0;
  /// ArenaMaker::room().
  [[nodiscard]] virtual std::uint64_t room() const = 0;
  /// Begins to free an arena and to make another, whose memory is faulted in. `arena_made` gets the result. Its error
  /// is Error(out_of_memory), with the bytes that are needed and those that the node's shared memory or the helper's
  /// control group leaves. Arenas end with the Service, not with the session that wanted them, as a staged save may
  /// still be written.
  virtual void replace_arena(const ArenaWish& wish) = 0;
  /// Ends the session. No callback is called for it any more.
  virtual void drop(SessionId session) = 0;
};

/// Listens on `address`. From here on ranks can connect; they are answered once run() is called.
[[nodiscard]] std::unique_ptr<Service> listen(const Address& address);

}  // namespace holdfast::transport
