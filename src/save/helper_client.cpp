#include "save/helper_client.hpp"

#include <fmt/format.h>

#include "base/error_text.hpp"
#include "base/log.hpp"

namespace holdfast::save {

using transport::Done;
using transport::Message;
using transport::MessageType;

namespace {

/// Seconds between checks for signs of life of a helper that a rank waits for.
constexpr double ping_check_s = 0.5;

}  // namespace

void HelperClient::give_up(const Error& error) {
  if (!lost_) lost_ = error;
}

bool HelperClient::receive(Deadline deadline) {
  std::optional<Message> message = connection_->receive(deadline);
  if (message) sort_in(std::move(*message));
  return message.has_value();
}

bool HelperClient::pump(Deadline deadline) {
  if (lost_) return false;
  try {
    while (!receive(deadline.or_within(Seconds(ping_check_s)))) {
      ask_for_a_sign();
      if (deadline.over()) return false;
    }
    return true;
  } catch (...) {
    lose(current_error());
    return false;
  }
}

/// Sends no ping, which would wake the helper at every save. Calls that wait for the helper send pings.
bool HelperClient::pump_what_came() {
  if (lost_) return false;
  try {
    return receive(Deadline(Seconds(0)));
  } catch (...) {
    lose(current_error());
    return false;
  }
}

/// Logs the loss where the job ends with the helper: the program may end before it can report it.
void HelperClient::lose(const Error& error) {
  lost_ = error;
  if (error.code() != ErrorCode::helper_lost || terms_.why_irreplaceable.empty()) return;
  lost_ = Error(error.code(), error.message() + terms_.why_irreplaceable, error.context());
  log::write(log::Level::error, lost_->what());
}

/// Sends one ping per silence. The ping may time out, since the queue of a helper that no longer reads fills up.
void HelperClient::ask_for_a_sign() {
  const double silent_s = liveness_.seconds();
  if (!pinged_ && silent_s > 0) {
    pinged_ = true;
    try {
      send(transport::Ping{}, Deadline(Seconds(0)));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::timeout) throw;
    }
  }
  if (silent_s > terms_.helper_timeout_s)
    throw Error(ErrorCode::helper_lost,
                fmt::format("the helper (pid {}) has shown no sign of life for {} s (Options::helper_timeout_s)",
                            connection_->helper_pid(), terms_.helper_timeout_s),
                {.host = host_name()});
}

void HelperClient::sort_in(Message message) {
  liveness_.end();
  pinged_ = false;
  if (message.type == MessageType::pong) return;
  if (message.type == MessageType::drained) {
    drained_ = decode<transport::Drained>(message.payload);
    return;
  }
  if (message.type != MessageType::done) return keep_reply(std::move(message));
  Done done = decode<Done>(message.payload);
  if (done.last_word) {  // its process may live on for a while, but does not answer any more
    const Error cause = to_error(done.error);
    lose({ErrorCode::helper_lost, cause.message(), cause.context()});
  }
  done_.insert_or_assign(done.save, std::move(done));
}

void HelperClient::keep_reply(Message message) {
  if (const auto question = asked_.find(message.about); question != asked_.end())
    question->second = std::move(message);
  else
    log::debug("an answer of the helper came too late, and is passed over (type {}, to message {})",
               static_cast<int>(message.type), message.about);
}

std::optional<Done> HelperClient::take(std::uint64_t save) {
  if (auto entry = done_.extract(save)) return std::move(entry.mapped());
  if (lost_)
    return Done{.save = save, .failed = true, .error = to_record(*lost_), .path = {}, .last_word = !is_closed()};
  return std::nullopt;
}

std::optional<Done> HelperClient::poll(std::uint64_t save) {
  while (pump(Deadline(Seconds(0)))) {
  }
  return take(save);
}

std::optional<Done> HelperClient::wait(std::uint64_t save, Deadline deadline) {
  while (!known(save) && pump(deadline)) {
  }
  return take(save);
}

bool HelperClient::wait_drained(std::uint64_t save, std::uint32_t wave, Deadline deadline) {
  const auto is_drained = [&] { return drained_.save == save && drained_.wave == wave; };
  while (!is_drained() && !known(save))
    if (!pump(deadline) && !lost_)
      throw Error(ErrorCode::timeout, fmt::format("the helper has not written wave {} of the save in time", wave + 1),
                  {.host = host_name()});
  return is_drained() && !known(save);
}

const std::optional<Error>& HelperClient::lost() {
  while (pump_what_came()) {
  }
  return lost_;
}

transport::ArenaReady HelperClient::open_arena(std::uint32_t slot, std::uint64_t bytes, Deadline deadline) {
  auto ready = ask<transport::ArenaReady>(transport::OpenArena{.slot = slot, .bytes = bytes}, deadline);
  if (ready.slot == slot && ready.bytes == bytes && (ready.arena != 0) == (bytes != 0)) return ready;
  throw Error(ErrorCode::communication, "the helper made another arena than it was asked for", {.host = host_name()});
}

Message HelperClient::await_reply(std::uint32_t number, MessageType type, Deadline deadline) {
  asked_[number];
  liveness_.end();
  while (!asked_[number] && pump(deadline)) {
  }
  std::optional<Message> reply = std::move(asked_.extract(number).mapped());
  if (!reply)
    throw lost_ ? *lost_ : Error(ErrorCode::timeout, "the helper did not answer in time", {.host = host_name()});
  if (reply->type == MessageType::refused) throw to_error(decode<transport::Refused>(reply->payload).error);
  if (reply->type != type)
    throw Error(ErrorCode::communication, "the helper answered something else than it was asked",
                {.host = host_name()});
  return std::move(*reply);
}

}  // namespace holdfast::save
