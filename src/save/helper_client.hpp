#pragma once

#include <cstdint>
#include <holdfast/error.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "save/lost_saves.hpp"
#include "transport/connection.hpp"

namespace holdfast::save {

/// A rank's connection to its helper. Sorts what arrives into outcomes of saves and replies to requests. The
/// Checkpointer and its futures share it, so that a future can outlive the Checkpointer. Not thread-safe, except for
/// send().
class HelperClient {
 public:
  struct Terms {
    double helper_timeout_s = 0;    ///< Options::helper_timeout_s
    std::string why_irreplaceable;  ///< HelperLauncher::why_irreplaceable()
    NoteLostSave note_lost_save;    ///< set on rank 0 only
  };
  HelperClient(std::unique_ptr<transport::Connection> connection, Terms terms)
      : connection_(std::move(connection)), terms_(std::move(terms)) {}

  template <class T>
  std::uint32_t send(const T& message, Deadline deadline) {
    return transport::send(*connection_, message, deadline);
  }
  /// Sends a request and waits for its answer; drops late answers to earlier requests that timed out. Throws the error
  /// with which the helper refuses the request, or Error(timeout): then it is not known whether the request was carried
  /// out. The helper answers pings meanwhile, whatever it does.
  template <class Answer, class Request>
  Answer ask(const Request& request, Deadline deadline) {
    const std::uint32_t number = send(request, deadline);
    return decode<Answer>(await_reply(number, Answer::type, deadline).payload);
  }
  /// Makes the helper replace the arena of a slot by one of `bytes`, or by none (0).
  [[nodiscard]] transport::ArenaReady open_arena(std::uint32_t slot, std::uint64_t bytes, Deadline deadline);
  [[nodiscard]] transport::Connection& connection() noexcept { return *connection_; }

  /// The outcome of a save, which is returned once only. poll() never waits; wait() returns nothing when the deadline
  /// passes first. When the helper is lost, all saves without an outcome fail with that error. A helper that answers no
  /// ping for helper_timeout_s is lost.
  [[nodiscard]] std::optional<transport::Done> poll(std::uint64_t save);
  [[nodiscard]] std::optional<transport::Done> wait(std::uint64_t save, Deadline deadline);
  /// Waits until a wave of a save is written. Returns false if the save has failed; wait() returns the error. Throws
  /// Error(timeout).
  [[nodiscard]] bool wait_drained(std::uint64_t save, std::uint32_t wave, Deadline deadline);
  /// Reads pending messages, then returns the error that ended the connection, if it has ended.
  [[nodiscard]] const std::optional<Error>& lost();
  /// Logs a save that was lost with the helper, or whose failure was the helper's last message. Only rank 0 does so.
  [[nodiscard]] std::shared_future<void> note_lost(std::int64_t step, const Error& error) const {
    return terms_.note_lost_save ? terms_.note_lost_save(step, error) : std::shared_future<void>();
  }
  void disconnect() noexcept { connection_->disconnect(); }
  /// Makes all saves without an outcome fail with `error`. Receives nothing more.
  void give_up(const Error& error);

 private:
  transport::Message await_reply(std::uint32_t number, transport::MessageType type, Deadline deadline);
  /// True if this rank ended the connection itself; the helper goes on with what was staged.
  [[nodiscard]] bool is_closed() const { return lost_ && lost_->code() == ErrorCode::invalid_state; }
  [[nodiscard]] bool known(std::uint64_t save) const { return lost_ || done_.contains(save); }
  std::optional<transport::Done> take(std::uint64_t save);
  /// Receives one message. Returns false at the deadline, or if the helper is lost. Pings a silent helper.
  bool pump(Deadline deadline);
  bool pump_what_came();
  bool receive(Deadline deadline);
  void sort_in(transport::Message message);
  void keep_reply(transport::Message message);
  void ask_for_a_sign();
  void lose(const Error& error);

  std::unique_ptr<transport::Connection> connection_;
  Terms terms_;
  LivenessTimer liveness_;
  bool pinged_ = false;
  std::map<std::uint64_t, transport::Done> done_;
  transport::Drained drained_;                                        ///< last wave that was written
  std::map<std::uint32_t, std::optional<transport::Message>> asked_;  ///< by number: pending requests and their answers
  std::optional<Error> lost_;
};

}  // namespace holdfast::save
