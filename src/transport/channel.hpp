#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "transport/messages.hpp"
#include "wrap/ucx.hpp"

namespace holdfast::transport {

/// One side's end of the channel between a rank and its helper. It has a UCX worker of its own: a message that a dying
/// peer leaves half-written blocks no other channel, and destroying the worker ends everything at once. Not
/// thread-safe.
class Channel {
 public:
  /// Throws Error(out_of_memory) if the node's shared memory or this process's address space has no room for a channel.
  /// The constructor calls it too. Call it before making a context as well: UCX ends a process that has no memory left.
  static void require_room();
  explicit Channel(std::shared_ptr<const ucx::Context> context);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  [[nodiscard]] Bytes address() const { return worker_->address(); }
  void connect(const Bytes& peer_address);

  /// A message on its way. The peer has it when the operation is done.
  struct SentMessage {
    std::uint32_t number = 0;
    std::shared_ptr<ucx::Operation> operation;
  };
  /// `about` is the number of the peer's message that this one answers; 0: none.
  SentMessage send(MessageType type, Bytes payload, std::uint32_t about = 0);
  /// Returns the next message in the order in which the peer sent them; nothing if it has not arrived.
  [[nodiscard]] std::optional<Message> take();

  [[nodiscard]] ucx::Worker& worker() const noexcept { return *worker_; }
  [[nodiscard]] const std::shared_ptr<ucx::Endpoint>& endpoint() const noexcept { return endpoint_; }

 private:
  struct Header {
    MessageType type{};
    std::uint32_t number = 0, about = 0;  ///< as in Message
    static void fields(auto& c, auto& s) { c(s.type, s.number, s.about); }
  };
  void on_message(std::span<const std::byte> header, std::span<const std::byte> payload);

  std::shared_ptr<ucx::Worker> worker_;
  std::shared_ptr<ucx::Endpoint> endpoint_;
  std::map<std::uint32_t, Message> arrived_;  ///< by number
  std::uint32_t sent_ = 0, taken_ = 0;        ///< numbers of the last messages
};

}  // namespace holdfast::transport
