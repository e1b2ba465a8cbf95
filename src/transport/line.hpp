#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "transport/messages.hpp"
#include "wrap/ucx.hpp"

namespace holdfast::transport {

/// One side's end of a line, over a UCX worker of its own: what a dying peer leaves half-written in the worker's queue
/// blocks no other line, and destroying the worker ends everything at once. Not thread-safe.
class Line {
 public:
  /// Throws Error(out_of_memory) if the node's shared memory or this process's addresses have no room for a line. The constructor
  /// asks too; whoever makes a context for it asks before, as UCX ends a process that has no memory left.
  static void require_room();
  explicit Line(std::shared_ptr<const ucx::Context> context);
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  [[nodiscard]] Bytes address() const { return worker_->address(); }
  void connect(const Bytes& peer_address);

  /// A message on its way, which is with the peer when the operation is done.
  struct Sent {
    std::uint32_t number = 0;
    std::shared_ptr<ucx::Operation> operation;
  };
  /// `about`: the number of the peer's message that this one answers, if any.
  Sent send(MessageType type, Bytes payload, std::uint32_t about = 0);
  /// The next message in the order in which the peer sent them.
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
  std::uint32_t sent_ = 0, taken_ = 0;  ///< the last numbers
};

}  // namespace holdfast::transport
