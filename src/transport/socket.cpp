#include "transport/socket.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error_text.hpp"

namespace holdfast::transport {
namespace {

/// Pause between two tries to connect: there is no event to wait for.
constexpr int retry_ms = 10;

[[noreturn]] void fail(const char* call, const std::string& name) {
  throw Error(ErrorCode::launch, fmt::format("{} on the socket @{}: {}", call, name, errno_text(errno)),
              {.host = host_name()});
}

FileDescriptor open_socket(const std::string& name) {
  FileDescriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) fail("socket", name);
  return socket;
}

struct SocketAddress {
  sockaddr_un text{};
  socklen_t bytes;

  explicit SocketAddress(const std::string& name)
      : bytes(static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())) {
    if (name.size() + 1 > sizeof text.sun_path)
      throw Error(ErrorCode::invalid_argument, fmt::format("the socket name {} is too long", name));
    text.sun_family = AF_UNIX;
    std::copy(name.begin(), name.end(), text.sun_path + 1);
  }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&text); }
};

}  // namespace

FileDescriptor listen_on(const std::string& name) {
  const SocketAddress address(name);
  FileDescriptor socket = open_socket(name);
  if (bind(socket.get(), address.get(), address.bytes) != 0) fail("bind", name);
  if (listen(socket.get(), SOMAXCONN) != 0) fail("listen", name);
  return socket;
}

FileDescriptor accept_on(int listener) {
  return FileDescriptor(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

std::optional<FileDescriptor> try_to_connect(const std::string& name) {
  const SocketAddress address(name);
  FileDescriptor socket = open_socket(name);
  if (connect(socket.get(), address.get(), address.bytes) == 0) return socket;
  if (errno != ECONNREFUSED && errno != EAGAIN && errno != EINTR) fail("connect", name);
  return std::nullopt;
}

FileDescriptor connect_to(const std::string& name, Deadline deadline) {
  for (;;) {
    if (std::optional<FileDescriptor> socket = try_to_connect(name)) return std::move(*socket);
    if (deadline.over())
      throw Error(ErrorCode::launch,
                  fmt::format("the helper did not answer in time: nobody listens on the socket @{}", name),
                  {.host = host_name()});
    poll(nullptr, 0, deadline.poll_ms(retry_ms));
  }
}

Peer peer_of(int socket) {
  ucred credentials{};
  socklen_t bytes = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0)
    return {.pid = -1, .uid = static_cast<uid_t>(-1)};
  return {.pid = credentials.pid, .uid = credentials.uid};
}

FileDescriptor watch_process_of(int socket) {
  return FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, peer_of(socket).pid, 0)));
}

bool send_packet(int socket, const Bytes& packet) noexcept {
  return send(socket, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(packet.size());
}

Arrival receive_packet(int socket, Bytes& packet) {
  packet.resize(max_introduction_bytes);
  const ssize_t bytes = recv(socket, packet.data(), packet.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (bytes < 0) return errno == EAGAIN || errno == EINTR ? Arrival::nothing_yet : Arrival::end;
  if (bytes == 0) return Arrival::end;
  if (static_cast<std::size_t>(bytes) > packet.size()) return Arrival::too_long;
  packet.resize(static_cast<std::size_t>(bytes));
  return Arrival::packet;
}

bool is_cut(int lifeline) noexcept {
  std::byte anything{};
  return recv(lifeline, &anything, 1, MSG_DONTWAIT | MSG_PEEK) >= 0 || (errno != EAGAIN && errno != EINTR);
}

}  // namespace holdfast::transport
