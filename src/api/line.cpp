#include "api/line.hpp"

#include "base/error_text.hpp"
#include "base/log.hpp"

namespace holdfast::api {

using transport::Done;
using transport::Message;
using transport::MessageType;

void Line::give_up(const Error& error) {
  if (!lost_) lost_ = error;
}

bool Line::pump(Deadline deadline) {
  if (lost_) return false;
  try {
    std::optional<Message> message = connection_->receive(deadline);
    if (!message) return false;
    sort_in(std::move(*message));
    return true;
  } catch (...) {
    lost_ = current_error();
    log::debug("the line is lost: {}", lost_->what());
    return false;
  }
}

void Line::sort_in(Message message) {
  if (message.type != MessageType::done) {
    reply_ = std::move(message);
    return;
  }
  Done done = decode<Done>(message.payload);
  done_.insert_or_assign(done.save, std::move(done));
}

std::optional<Done> Line::take(std::uint64_t save) {
  if (auto entry = done_.extract(save)) return std::move(entry.mapped());
  if (lost_) return Done{.save = save, .failed = true, .error = to_record(*lost_), .path = {}};
  return std::nullopt;
}

std::optional<Done> Line::poll(std::uint64_t save) {
  while (pump(Deadline(Seconds(0)))) {
  }
  return take(save);
}

std::optional<Done> Line::wait(std::uint64_t save, Deadline deadline) {
  while (!known(save) && pump(deadline)) {
  }
  return take(save);
}

const std::optional<Error>& Line::lost() {
  while (pump(Deadline(Seconds(0)))) {
  }
  return lost_;
}

Message Line::await_reply(MessageType type, Deadline deadline) {
  reply_.reset();
  while (!reply_)
    if (!pump(deadline))
      throw lost_ ? *lost_ : Error(ErrorCode::timeout, "the helper did not answer in time", {.host = host_name()});
  if (reply_->type == MessageType::refused) throw to_error(decode<transport::Refused>(reply_->payload).error);
  if (reply_->type != type)
    throw Error(ErrorCode::communication, "the helper answered something else than it was asked", {.host = host_name()});
  return std::move(*reply_);
}

}  // namespace holdfast::api
