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
  /// After staging: makes the first `bytes` arrive in the helper before any message that is sent afterwards. Bounded.
  virtual void deliver(std::uint64_t bytes, Deadline deadline) = 0;
};

/// How a helper is found.
struct Address {
  std::string socket_name;  ///< abstract UNIX socket, without the leading NUL
  std::string nonce;
};
/// Where helper number `index` of its node listens, in the run with this nonce.
[[nodiscard]] Address helper_address(const std::string& nonce, int index);
/// Does anybody listen there now?
[[nodiscard]] bool is_listening(const Address& address);

/// The rank's end of the line to its helper. Thread-safe (a staging thread sends while the caller polls). It never calls
/// MPI. Every call throws Error(helper_lost) with the helper's host and pid once the lifeline is cut.
class Connection {
 public:
  virtual ~Connection() = default;
  [[nodiscard]] virtual int helper_pid() const noexcept = 0;
  [[nodiscard]] virtual Transport transport() const noexcept = 0;  ///< mapped or put, once an arena was opened

  /// Returns the number of the message, by which an answer names it.
  virtual std::uint32_t send(MessageType type, Bytes payload, Deadline deadline) = 0;
  /// The next message; nothing when the deadline is over first. Sleeps while it waits.
  virtual std::optional<Message> receive(Deadline deadline) = 0;
  /// Maps what the helper made, and faults it in.
  virtual std::unique_ptr<Arena> map(const ArenaReady& ready) = 0;
  /// Closes endpoint and socket; silent. The helper sees the end of the lifeline.
  virtual void disconnect() noexcept = 0;
  /// After disconnect(): waits until the helper's process has ended; false when the deadline is over first. A helper ends
  /// when all its ranks have left.
  [[nodiscard]] virtual bool await_exit(Deadline deadline) noexcept = 0;
  /// Ends the helper's process at once. For one that does not end by itself; others of its world may be waiting for it.
  virtual void kill_helper() noexcept = 0;
};

template <class T>
std::uint32_t send(Connection& connection, const T& message, Deadline deadline) {
  return connection.send(T::type, encode(message), deadline);
}

/// Connects to the helper, retrying until the deadline, and exchanges introductions. Throws Error(launch) naming the helper's
/// host and what was tried; a peer of another uid or nonce is refused.
[[nodiscard]] std::unique_ptr<Connection> connect(const Address& address, int rank, Transport transport, Deadline deadline);
/// Tells a helper that listens there that a rank of its does not come, so that it leaves where nobody else does. For when all ranks
/// know that the start has failed: until then, others may be on their way. Waits for nobody.
void decline(const Address& address, int rank, const Error& reason) noexcept;

}  // namespace holdfast::transport
