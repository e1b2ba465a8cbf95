#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "api/lost_saves.hpp"
#include "base/clock.hpp"
#include "transport/connection.hpp"

namespace holdfast::api {

/// A rank's line to its helper, with the answers sorted: what became of each save, and the replies to requests. Shared by
/// the Checkpointer and its futures, so that a future outlives the Checkpointer. For one thread, but for send().
class Line {
 public:
  struct Terms {
    double helper_timeout_s = 0;    ///< Options::helper_timeout_s
    std::string why_irreplaceable;  ///< HelperLauncher::why_irreplaceable()
    NoteLostSave note_lost_save;    ///< rank 0's
  };
  Line(std::unique_ptr<transport::Connection> connection, Terms terms)
      : connection_(std::move(connection)), terms_(std::move(terms)) {}

  template <class T>
  std::uint32_t send(const T& message, Deadline deadline) {
    return transport::send(*connection_, message, deadline);
  }
  /// Sends a request and waits for its own answer: one to a request that was given up is passed over, whenever it comes. Throws
  /// what the helper refused it with, or Error(timeout): then nobody knows whether it was done. The helper answers pings
  /// meanwhile, whatever it is doing.
  template <class Answer, class Request>
  Answer ask(const Request& request, Deadline deadline) {
    const std::uint32_t number = send(request, deadline);
    return decode<Answer>(await_reply(number, Answer::type, deadline).payload);
  }
  /// Has the helper replace the arena of a slot by one of `bytes`, or by none (0).
  [[nodiscard]] transport::ArenaReady open_arena(std::uint32_t slot, std::uint64_t bytes, Deadline deadline);
  [[nodiscard]] transport::Connection& connection() noexcept { return *connection_; }

  /// What became of a save, once: the answer is handed over. poll() asks the line and never waits; wait() has nothing when
  /// the deadline is over first. Once the helper is lost, every save that it had not answered has failed with that. A helper that
  /// answers no ping for helper_timeout_s is lost.
  [[nodiscard]] std::optional<transport::Done> poll(std::uint64_t save);
  [[nodiscard]] std::optional<transport::Done> wait(std::uint64_t save, Deadline deadline);
  /// Waits until a wave of a save is written. False: the save has failed, and wait() tells with what. Throws Error(timeout).
  [[nodiscard]] bool wait_drained(std::uint64_t save, std::uint32_t wave, Deadline deadline);
  /// What cut the line, if anything did. Looks before it answers.
  [[nodiscard]] const std::optional<Error>& lost();
  /// Of a save that failed with the helper's last word, or without one. Does nothing but on rank 0.
  [[nodiscard]] std::shared_future<void> note_lost(std::int64_t step, const Error& error) const {
    return terms_.note_lost_save ? terms_.note_lost_save(step, error) : std::shared_future<void>();
  }
  void disconnect() noexcept { connection_->disconnect(); }
  /// Every save that is not answered yet has failed with `error`; nothing more is received.
  void give_up(const Error& error);

 private:
  transport::Message await_reply(std::uint32_t number, transport::MessageType type, Deadline deadline);
  /// By this rank, whose helper goes on with what it has.
  [[nodiscard]] bool is_closed() const { return lost_ && lost_->code() == ErrorCode::invalid_state; }
  [[nodiscard]] bool known(std::uint64_t save) const { return lost_ || done_.contains(save); }
  std::optional<transport::Done> take(std::uint64_t save);
  /// Takes one message off the line; false when none came before the deadline, or the line is cut. A helper that says nothing is
  /// asked if it is there.
  bool pump(Deadline deadline);
  bool pump_what_came();
  bool receive(Deadline deadline);
  void sort_in(transport::Message message);
  void keep_reply(transport::Message message);
  void ask_for_a_sign();
  void lose(const Error& error);

  std::unique_ptr<transport::Connection> connection_;
  Terms terms_;
  Silence silence_;
  bool pinged_ = false;
  std::map<std::uint64_t, transport::Done> done_;
  transport::Drained drained_;  ///< the last wave that was written
  std::map<std::uint32_t, std::optional<transport::Message>> asked_;  ///< by number: requests under way, and their answers
  std::optional<Error> lost_;
};

}  // namespace holdfast::api
