#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <holdfast/error.hpp>
#include <span>
#include <vector>

#include "base/codec.hpp"

namespace holdfast {

/// Bytes that one rank sends to another. `rank` is the receiver before delivery, and the sender after it.
struct RankMessage {
  int rank = -1;
  Bytes bytes;

  bool operator==(const RankMessage&) const = default;
};

/// A message that other ranks forward, in a batch with other messages. It carries its sender and its receiver.
struct RoutedMessage {
  std::int32_t from = -1, to = -1;
  std::span<const std::byte> bytes;  ///< borrowed from the batch

  using Label = std::array<std::uint64_t, 2>;
  [[nodiscard]] std::size_t bytes_in_batch() const noexcept { return sizeof(Label) + bytes.size(); }
};

inline void put(Bytes& batch, const RoutedMessage& message) {
  const RoutedMessage::Label label = {
      std::uint64_t{static_cast<std::uint32_t>(message.from)} << 32 | static_cast<std::uint32_t>(message.to),
      message.bytes.size()};
  const auto raw = std::as_bytes(std::span(label));
  batch.insert(batch.end(), raw.begin(), raw.end());
  batch.insert(batch.end(), message.bytes.begin(), message.bytes.end());
}

/// Calls function(message) for each message in the batch. Throws Error(communication) if a message is cut off.
template <class Function>
void for_each_message(std::span<const std::byte> batch, Function&& function) {
  while (!batch.empty()) {
    RoutedMessage::Label label{};
    if (batch.size() >= sizeof label) std::memcpy(label.data(), batch.data(), sizeof label);
    if (batch.size() < sizeof label || batch.size() - sizeof label < label[1])
      throw Error(ErrorCode::communication, "ranks sent each other messages that are cut off");
    function(RoutedMessage{static_cast<std::int32_t>(label[0] >> 32), static_cast<std::int32_t>(label[0]),
                           batch.subspan(sizeof label, label[1])});
    batch = batch.subspan(sizeof label + label[1]);
  }
}

/// Sorts all messages into one batch for each of `peers` peers. `next_hop(rank)` is the peer that forwards messages for
/// `rank`.
template <class NextHop>
std::vector<Bytes> sorted(const std::vector<Bytes>& batches, int peers, NextHop&& next_hop) {
  std::vector<Bytes> out(static_cast<std::size_t>(peers));
  const auto batch_of = [&](const RoutedMessage& message) { return static_cast<std::size_t>(next_hop(message.to)); };
  std::vector<std::size_t> sizes(out.size());
  for (const Bytes& batch : batches)
    for_each_message(batch,
                     [&](const RoutedMessage& message) { sizes[batch_of(message)] += message.bytes_in_batch(); });
  for (std::size_t peer = 0; peer < out.size(); ++peer) out[peer].reserve(sizes[peer]);
  for (const Bytes& batch : batches)
    for_each_message(batch, [&](const RoutedMessage& message) { put(out[batch_of(message)], message); });
  return out;
}

}  // namespace holdfast
