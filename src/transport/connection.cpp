#include "transport/connection.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <atomic>
#include <cstdlib>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "transport/arena.hpp"
#include "transport/introduction.hpp"
#include "transport/shared_channel.hpp"
#include "transport/socket.hpp"

namespace holdfast::transport {
namespace {

/// `transport` is automatic only if neither the program nor the environment chooses one.
class UcxConnection final : public Connection {
 public:
  UcxConnection(std::shared_ptr<SharedChannel> channel, Transport transport)
      : channel_(std::move(channel)), transport_(transport) {}

  [[nodiscard]] int helper_pid() const noexcept override { return channel_->helper().pid; }
  [[nodiscard]] Transport transport() const noexcept override {
    const Transport now = transport_;
    return now == Transport::automatic ? Transport::mapped : now;
  }
  std::uint32_t send(MessageType type, Bytes payload, Deadline deadline) override {
    return channel_->send(type, std::move(payload), deadline);
  }
  std::optional<Message> receive(Deadline deadline) override { return channel_->receive(deadline); }
  void disconnect() noexcept override { channel_->close(); }
  void kill_helper() noexcept override { channel_->kill_helper(); }
  [[nodiscard]] bool await_exit(End end, Deadline deadline) noexcept override {
    return channel_->await_exit(end == End::reaped, deadline);
  }

  std::unique_ptr<Arena> map(const ArenaReady& ready) override {
    if (transport_ != Transport::put) {
      if (auto arena = map_arena(channel_, ready)) return arena;
      give_up_mapping();
    }
    return private_arena(channel_, ready);
  }

 private:
  void give_up_mapping() {
    if (transport_ == Transport::mapped)
      throw Error(ErrorCode::communication, "the helper's memory cannot be mapped into this process (ucp_rkey_ptr)",
                  {.host = host_name()});
    log::warning(
        "the helper's memory cannot be mapped into this process; staged bytes are sent by ucp_put, at twice the cost");
    transport_ = Transport::put;
  }

  std::shared_ptr<SharedChannel> channel_;
  std::atomic<Transport> transport_;
};

Error no_answer(const char* what) {
  return {ErrorCode::launch, fmt::format("the helper {}", what), {.host = host_name()}};
}

/// Waits for the packet in which the helper introduces itself.
Bytes receive_answer(int socket, Deadline deadline) {
  Bytes packet;
  for (;;) {
    switch (receive_packet(socket, packet)) {
      case Arrival::packet:
        return packet;
      case Arrival::end:
        throw no_answer("closed its socket before it had introduced itself");
      case Arrival::too_long:
        throw no_answer("introduced itself at too great a length");
      case Arrival::nothing_yet:
        break;
    }
    if (deadline.over()) throw no_answer("took the connection but did not introduce itself in time");
    pollfd event{socket, POLLIN, 0};
    poll(&event, 1, deadline.poll_ms());
  }
}

Introduction receive_introduction(int socket, const std::string& nonce, Deadline deadline) {
  Introduction helper = read_introduction(receive_answer(socket, deadline), peer_of(socket));
  if (!helper.refusal.message.empty()) throw to_error(helper.refusal);
  require_nonce(helper, nonce);
  return helper;
}

}  // namespace

Address helper_address(const std::string& nonce, int index) {
  return {fmt::format("holdfast-{}-{}", nonce, index), nonce};
}

bool is_listening(const Address& address) {
  return try_to_connect(address.socket_name).has_value();
}

std::unique_ptr<Connection> connect(const Address& address, int rank, Transport transport, Deadline deadline) {
  // First of all, so that a helper listens to which the rank can decline().
  FileDescriptor socket = connect_to(address.socket_name, deadline);
  Channel::require_room();
  auto channel = std::make_unique<Channel>(std::make_shared<const ucx::Context>());
  if (!send_packet(socket.get(), encode(introduce(address.nonce, rank, channel->address()))))
    throw no_answer("closed its socket before this rank had introduced itself");

  const Introduction helper = receive_introduction(socket.get(), address.nonce, deadline);
  channel->connect(helper.worker_address);
  return std::make_unique<UcxConnection>(
      std::make_shared<SharedChannel>(std::move(socket), std::move(channel),
                                      SharedChannel::Helper{.host = helper.host, .pid = helper.pid}),
      transport);
}

void take_leave(Connection& connection) noexcept {
  try {
    send(connection, Bye{}, Deadline(Seconds(0)));
  } catch (...) {
    log::debug("the helper is not told that this rank leaves it: {}", current_error().what());
  }
}

void decline(const Address& address, int rank, const Error& reason) noexcept {
  try {
    const FileDescriptor socket = try_to_connect(address.socket_name).value_or(FileDescriptor());
    if (!socket) return;
    Introduction refusal = introduce(address.nonce, rank, {});
    refusal.refusal = to_record(reason);
    send_packet(socket.get(), encode(refusal));
  } catch (...) {
    log::debug("the helper is not told that this rank does not come: {}", current_error().what());
  }
}

}  // namespace holdfast::transport
