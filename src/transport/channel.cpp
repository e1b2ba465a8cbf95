#include "transport/channel.hpp"

#include "base/shared_memory.hpp"

namespace holdfast::transport {
namespace {

/// Shared memory for a worker's receive queue (0.7 MB) and what else UCX may need.
constexpr std::uint64_t channel_bytes = 2 << 20;
/// Address space for the queues of both sides and what else UCX needs.
constexpr std::uint64_t channel_addresses = 16 << 20;

}  // namespace

void Channel::require_room() {
  require_shared_memory(channel_bytes, "a channel between rank and helper");
  require_addresses(channel_addresses, "a channel between rank and helper");
}

Channel::Channel(std::shared_ptr<const ucx::Context> context) {
  require_room();
  worker_ = std::make_shared<ucx::Worker>(std::move(context),
                                          [this](auto header, auto payload) { on_message(header, payload); });
}

void Channel::connect(const Bytes& peer_address) {
  endpoint_ = std::make_shared<ucx::Endpoint>(worker_, peer_address);
}

Channel::SentMessage Channel::send(MessageType type, Bytes payload, std::uint32_t about) {
  const Header header{.type = type, .number = ++sent_, .about = about};
  return {.number = header.number, .operation = endpoint_->send(encode(header), std::move(payload))};
}

std::optional<Message> Channel::take() {
  const auto next = arrived_.find(taken_ + 1);
  if (next == arrived_.end()) return std::nullopt;
  Message message = std::move(next->second);
  arrived_.erase(next);
  ++taken_;
  return message;
}

void Channel::on_message(std::span<const std::byte> header, std::span<const std::byte> payload) {
  const auto [type, number, about] = decode<Header>(header);
  arrived_[number] = {.type = type, .number = number, .about = about, .payload = Bytes(payload.begin(), payload.end())};
}

}  // namespace holdfast::transport
