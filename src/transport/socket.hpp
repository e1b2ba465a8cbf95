#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/codec.hpp"
#include "base/unique_handle.hpp"

/// The UNIX socket that introduces a rank to its helper and then is their lifeline. Its packets keep their borders
/// (SOCK_SEQPACKET), so an introduction comes whole or not at all. Abstract names leave nothing behind.
namespace holdfast::transport {

/// A longer introduction is refused.
inline constexpr std::size_t max_introduction_bytes = 64 * 1024;

/// Who the kernel says is at the other end.
struct Peer {
  pid_t pid = -1;
  uid_t uid = 0;
};

/// All sockets are non-blocking and close on exec. Throws Error(launch).
[[nodiscard]] FileDescriptor listen_on(const std::string& name);
/// The next connection that waits, or none.
[[nodiscard]] FileDescriptor accept_on(int listener);
/// None if nobody listens there. Throws Error(launch).
[[nodiscard]] std::optional<FileDescriptor> try_to_connect(const std::string& name);
/// Tries until somebody listens. Throws Error(launch) when the deadline is over first.
[[nodiscard]] FileDescriptor connect_to(const std::string& name, Deadline deadline);

[[nodiscard]] Peer peer_of(int socket);
/// A descriptor that becomes readable when the process at the other end has ended; none where the kernel does not give it
/// (before Linux 5.3, or for a process of another pid namespace).
[[nodiscard]] FileDescriptor watch_process_of(int socket);

/// False if the peer is gone or does not read.
bool send_packet(int socket, const Bytes& packet) noexcept;

enum class Arrival { packet, nothing_yet, too_long, end };
/// Takes the next packet, if one is there.
Arrival receive_packet(int socket, Bytes& packet);
/// The other end has gone: nobody says anything on a lifeline, so whatever comes is its end.
[[nodiscard]] bool is_cut(int lifeline) noexcept;

}  // namespace holdfast::transport
