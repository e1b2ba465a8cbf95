#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/codec.hpp"
#include "base/unique_handle.hpp"

/// The UNIX socket that introduces a rank to its helper and is their lifeline afterwards. SOCK_SEQPACKET keeps packet
/// boundaries, so an introduction arrives whole or not at all. An abstract name leaves no file behind.
namespace holdfast::transport {

/// A longer introduction is refused.
inline constexpr std::size_t max_introduction_bytes = 64 * 1024;

/// The process at the other end, as the kernel reports it (SO_PEERCRED).
struct Peer {
  pid_t pid = -1;
  uid_t uid = 0;
};

/// Listens on an abstract name. All sockets here are non-blocking and close on exec. Throws Error(launch).
[[nodiscard]] FileDescriptor listen_on(const std::string& name);
/// Returns the next waiting connection, or none.
[[nodiscard]] FileDescriptor accept_on(int listener);
/// Returns none if nobody listens there. Throws Error(launch).
[[nodiscard]] std::optional<FileDescriptor> try_to_connect(const std::string& name);
/// Tries until somebody listens. Throws Error(launch) when the deadline is over first.
[[nodiscard]] FileDescriptor connect_to(const std::string& name, Deadline deadline);

[[nodiscard]] Peer peer_of(int socket);
/// Returns a descriptor that becomes readable when the process at the other end has ended; none where the kernel gives
/// none (before Linux 5.3, or for a process of another pid namespace).
[[nodiscard]] FileDescriptor watch_process_of(int socket);

/// Returns false if the peer is gone or does not read.
bool send_packet(int socket, const Bytes& packet) noexcept;

enum class Arrival { packet, nothing_yet, too_long, end };
/// Reads the next packet into `packet`, if there is one. Never waits.
Arrival receive_packet(int socket, Bytes& packet);
/// True if the other end is gone. Nobody sends anything on a lifeline, so whatever arrives means its end.
[[nodiscard]] bool is_cut(int lifeline) noexcept;

}  // namespace holdfast::transport
