#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <map>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "transport/connection.hpp"

namespace holdfast::api {

/// A rank's line to its helper, with the answers sorted: what became of each save, and the replies to requests. Shared by
/// the Checkpointer and its futures, so that a future outlives the Checkpointer. For one thread, but for send().
class Line {
 public:
  explicit Line(std::unique_ptr<transport::Connection> connection) : connection_(std::move(connection)) {}

  template <class T>
  void send(const T& message, Deadline deadline) {
    transport::send(*connection_, message, deadline);
  }
  /// Sends a request and waits for its answer. Throws what the helper refused it with, or Error(timeout).
  template <class Answer, class Request>
  Answer ask(const Request& request, Deadline deadline) {
    send(request, deadline);
    return decode<Answer>(await_reply(Answer::type, deadline).payload);
  }
  [[nodiscard]] transport::Connection& connection() noexcept { return *connection_; }

  /// What became of a save, once: the answer is handed over. poll() asks the line and never waits; wait() has nothing when
  /// the deadline is over first. Once the helper is lost, every save that it had not answered has failed with that.
  [[nodiscard]] std::optional<transport::Done> poll(std::uint64_t save);
  [[nodiscard]] std::optional<transport::Done> wait(std::uint64_t save, Deadline deadline);
  /// What cut the line, if anything did. Looks before it answers.
  [[nodiscard]] const std::optional<Error>& lost();
  void disconnect() noexcept { connection_->disconnect(); }
  /// Every save that is not answered yet has failed with `error`; nothing more is received.
  void give_up(const Error& error);

 private:
  transport::Message await_reply(transport::MessageType type, Deadline deadline);
  [[nodiscard]] bool known(std::uint64_t save) const { return lost_ || done_.contains(save); }
  std::optional<transport::Done> take(std::uint64_t save);
  /// Takes one message off the line; false when none came before the deadline, or the line is cut.
  bool pump(Deadline deadline);
  void sort_in(transport::Message message);

  std::unique_ptr<transport::Connection> connection_;
  std::map<std::uint64_t, transport::Done> done_;
  std::optional<transport::Message> reply_;
  std::optional<Error> lost_;
};

}  // namespace holdfast::api
