#pragma once

#include <cstdint>
#include <holdfast/options.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/clock.hpp"
#include "transport/messages.hpp"

namespace holdfast::transport {

/// A rank's view of an arena in its helper. With Transport::mapped, memory() is the helper's own memory; with put it is
/// memory of the rank that deliver() sends.
class Arena {
 public:
  virtual ~Arena() = default;
  [[nodiscard]] virtual std::span<std::byte> memory() const noexcept = 0;
  /// Call it after staging. Makes the first `bytes` arrive in the helper before any message that is sent afterwards.
  /// Waits until the deadline at most. Throws Error(invalid_argument) if the arena has fewer bytes.
  virtual void deliver(std::uint64_t bytes, Deadline deadline) = 0;
};

/// Where a helper listens, and the nonce of its run.
struct Address {
  std::string socket_name;  ///< abstract UNIX socket, without the leading NUL
  std::string nonce;
};
/// Returns the address of helper number `index` of its node, in the run with this nonce.
[[nodiscard]] Address helper_address(const std::string& nonce, int index);
/// True if somebody listens there now. Throws Error(launch).
[[nodiscard]] bool is_listening(const Address& address);

/// The rank's end of the channel to its helper. Thread-safe (a staging thread sends while the caller polls). It never
/// calls MPI. send() and receive() throw Error(helper_lost) with the helper's host and pid once the lifeline is cut.
class Connection {
 public:
  virtual ~Connection() = default;
  [[nodiscard]] virtual int helper_pid() const noexcept = 0;
  [[nodiscard]] virtual Transport transport() const noexcept = 0;  ///< mapped or put, once an arena was opened

  /// Returns the message's number, by which an answer names it.
  virtual std::uint32_t send(MessageType type, Bytes payload, Deadline deadline) = 0;
  /// Returns the next message, or nothing when the deadline is over first. Sleeps while it waits.
  virtual std::optional<Message> receive(Deadline deadline) = 0;
  /// Maps the arena that the helper made and faults it in.
  virtual std::unique_ptr<Arena> map(const ArenaReady& ready) = 0;
  /// Shuts the lifeline down without a message. The helper sees its end.
  virtual void disconnect() noexcept = 0;
  /// What the end of a process is.
  enum class End {
    ended,   ///< it runs no more
    reaped,  ///< its parent knows that, too
  };
  /// Call it after disconnect(). Waits for the end of the helper's process; returns false when the deadline is over
  /// first. A helper ends when all its ranks have left.
  [[nodiscard]] virtual bool await_exit(End end, Deadline deadline) noexcept = 0;
  /// Kills the helper's process. For a helper that does not end by itself: other helpers may be waiting for it.
  virtual void kill_helper() noexcept = 0;
};

template <class T>
std::uint32_t send(Connection& connection, const T& message, Deadline deadline) {
  return connection.send(T::type, encode(message), deadline);
}

/// Sends Bye for a rank that leaves: a helper takes a rank that leaves without it for dead. Waits for nobody.
void take_leave(Connection& connection) noexcept;
/// Connects to the helper, retrying until the deadline, and exchanges introductions. Throws Error(launch), which names
/// the helper's host and what was tried, also for a peer of another uid or nonce.
[[nodiscard]] std::unique_ptr<Connection> connect(const Address& address, int rank, Transport transport,
                                                  Deadline deadline);
/// Tells the helper that listens there, if any, that one of its ranks does not come, so that it leaves if no other rank
/// comes. Call it when all ranks know that the start has failed: until then, others may be on their way. Waits for
/// nobody.
void decline(const Address& address, int rank, const Error& reason) noexcept;

}  // namespace holdfast::transport
