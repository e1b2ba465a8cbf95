#include "helper/server.hpp"

#include <algorithm>
#include <utility>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "settings/settings.hpp"
#include "storage/format/lineage.hpp"

namespace holdfast::helper {
namespace {

/// More slots than any rank has.
constexpr std::uint32_t max_slots = 16;

/// True if sequence and parent are possible, or if the save has no sequence (0).
bool has_place_in_line(const transport::Staged& staged) {
  using storage::most_sequence;
  return staged.sequence >= 0 && staged.sequence <= most_sequence && staged.parent >= -most_sequence &&
         (staged.parent < staged.sequence || staged.sequence == 0);
}

/// The time that programs after commits have when somebody waits for so long: some is left for ending them.
Seconds time_for_programs(double wait_s) {
  constexpr double most_for_ending_s = 5;
  return Seconds(wait_s - std::min(most_for_ending_s, wait_s / 2));
}

Error of_rank(const Error& error, int rank) {
  ErrorContext context = error.context();
  context.rank = rank;
  return {error.code(), error.message(), std::move(context)};
}

}  // namespace

using transport::MessageType;
using transport::SessionId;

template <class T>
void Server::send(const Session& session, const T& message, std::uint32_t about) {
  if (session.connected) service_.send(session.id, T::type, encode(message), about);
}

void Server::run() {
  service_.run({.connected =
                    [this](SessionId id, const transport::Introduction& who) {
                      sessions_[id] = {.id = id, .rank = who.rank, .pid = who.pid, .process = service_.process_of(id)};
                    },
                .received = [this](SessionId id, const transport::Message& message) { on_message(id, message); },
                .lost = [this](SessionId id) { on_lost(id); },
                .arena_made = [this](const transport::MadeArena& made) { on_arena_made(made); },
                .woken = [this] { on_woken(); },
                .declined = [this](const transport::Introduction& who) { on_declined(who); },
                .needs_polling = [this] { return needs_polling(); }});
}

void Server::report(Outcome outcome) {
  outcomes_.push(std::move(outcome));
  service_.wake();
}

void Server::finish() {
  outcomes_.push(Ending{});
  service_.wake();
}

void Server::on_woken() {
  while (auto item = outcomes_.try_pop()) {
    if (std::holds_alternative<Ending>(*item)) return service_.stop();
    std::visit([this](const auto& outcome) { on_outcome(outcome); }, std::get<Outcome>(*item));
  }
  give_up_if_stuck();
  give_up_if_ungreeted();
  end_survivors_in_time();
}

/// A message that cannot be read ends its session: what the rank wants next is unknown.
void Server::on_message(SessionId id, const transport::Message& message) {
  Session& session = sessions_.at(id);
  try {
    switch (message.type) {
      case MessageType::hello:
        return on_hello(session, decode<transport::Hello>(message.payload), message.number);
      case MessageType::ask_room:
        return on_ask_room(session, message.number);
      case MessageType::open_arena:
        return on_open_arena(session, decode<transport::OpenArena>(message.payload), message.number);
      case MessageType::plan:
        return on_plan(session, decode<transport::Plan>(message.payload));
      case MessageType::staged:
        return on_staged(session, decode<transport::Staged>(message.payload));
      case MessageType::bye:
        return on_bye(session, decode<transport::Bye>(message.payload), message.number);
      case MessageType::ping:
        return send(session, transport::Pong{});
      default:
        throw Error(ErrorCode::communication, "a rank sent a message that only helpers send");
    }
  } catch (...) {
    log::warning("rank {} is dropped: {}", session.rank, current_error().what());
    service_.drop(id);
    on_lost(id);
  }
}

/// A message that makes no sense ends its session, too.
void Server::require(bool sense, const char* otherwise) {
  if (!sense) throw Error(ErrorCode::communication, otherwise);
}

void Server::on_hello(Session& session, const transport::Hello& hello, std::uint32_t number) {
  require(!session.hello, "a rank said hello twice");
  require(hello.world_size > 0 && hello.rank >= 0 && hello.rank < hello.world_size && hello.helper_ranks > 0,
          "a rank said hello as one that cannot be");
  Options options = settings::decode(hello.options);
  session.hello = number;
  if (!hello_) {
    options_ = std::move(options);
    hello_ = hello;
  }
  const auto greeted = std::count_if(sessions_.begin(), sessions_.end(),
                                     [](const auto& entry) { return entry.second.hello.has_value(); });
  if (greeted != hello_->helper_ranks) return;
  greeted_ = true;
  if (!rank_died_) orphaned_.reset();
  jobs_.push(OpenJob{*hello_, options_});
}

void Server::on_outcome(const Opened& opened) {
  opened_ = !opened.error;
  for (const auto& [id, session] : sessions_) {
    if (opened.error)
      send(session, transport::Refused{to_record(*opened.error)}, session.hello.value_or(0));
    else
      send(session,
           transport::Welcome{.helpers = opened.helpers,
                              .newest_sequence = opened.known.newest_sequence,
                              .head_sequence = opened.known.head_sequence},
           session.hello.value_or(0));
  }
}

void Server::on_ask_room(Session& session, std::uint32_t number) try {
  send(session, transport::Room{.bytes = service_.room()}, number);
} catch (...) {
  send(session, transport::Refused{to_record(current_error({.rank = session.rank}))}, number);
}

/// A rank that asks again for a slot has given up its earlier wish, which is then not answered.
void Server::on_open_arena(Session& session, const transport::OpenArena& wish, std::uint32_t number) {
  require(opened_ && wish.slot < max_slots, "a rank asked for an arena that it cannot have");
  RankArena& lent = session.arenas[wish.slot];
  require(lent.number == 0 || std::ranges::none_of(
                                  session.staged, [&](const auto& entry) { return entry.second.arena == lent.number; }),
          "a rank asked for another arena while a save is written from the one that it has");
  const RankArena old = std::exchange(lent, {.number = ++last_arena_, .question = number});
  service_.replace_arena({.old = old.number, .number = lent.number, .bytes = wish.bytes});
}

void Server::on_arena_made(const transport::MadeArena& made) {
  for (auto& [id, session] : sessions_)
    for (auto& [slot, lent] : session.arenas)
      if (lent.number == made.number) return lend(session, slot, made);
}

void Server::lend(Session& session, std::uint32_t slot, const transport::MadeArena& made) {
  RankArena& lent = session.arenas.at(slot);
  transport::ArenaReady ready = made.ready;
  ready.slot = slot;
  if (made.error)
    send(session, transport::Refused{to_record(of_rank(*made.error, session.rank))}, lent.question);
  else
    send(session, ready, lent.question);
  lent = {.number = ready.arena, .question = 0, .memory = made.memory};
}

void Server::on_plan(Session& session, const transport::Plan& plan) {
  require(opened_, "a rank sent a plan before the directory was open");
  const auto layout = std::make_shared<const plan::RankLayout>(decode<plan::RankLayout>(plan.content));
  check(*layout);
  std::erase_if(session.plans, [&](const auto& entry) {
    return entry.first != plan.other &&
           std::none_of(session.staged.begin(), session.staged.end(),
                        [&](const auto& staged) { return staged.second.plan == entry.first; });
  });
  require(!session.plans.contains(plan.plan), "a rank sent a plan anew that is in use");
  session.plans[plan.plan] = layout;
}

void Server::on_staged(Session& session, transport::Staged staged) {
  require(opened_ && staged.step >= 0 && has_place_in_line(staged), "a rank staged a save that cannot be");
  if (!staged.failed) {
    const auto plan = session.plans.find(staged.plan);
    require(plan != session.plans.end(), "a rank staged a save by a plan that it never sent");
    const auto drained = drained_.find(staged.save);
    require(staged.wave < plan->second->waves && staged.wave == (drained == drained_.end() ? 0 : drained->second),
            "a rank staged a wave whose turn it is not");
    const auto arena = find_arena(session, staged.arena);
    if (arena) {
      check_fits(*plan->second, arena->size());
    } else {
      staged.failed = true;
      staged.error = to_record(Error(ErrorCode::communication,
                                     "the rank staged into an arena that the helper has given up; the save is dropped",
                                     {.rank = session.rank, .host = host_name()}));
    }
  }
  const std::uint64_t save = staged.save;
  session.staged.emplace(save, std::move(staged));
  hand_over(save);
}

std::optional<std::span<std::byte>> Server::find_arena(const Session& session, std::uint64_t number) {
  if (number == 0) return std::span<std::byte>();
  for (const auto& [slot, lent] : session.arenas)
    if (lent.number == number && !lent.memory.empty()) return lent.memory;
  return std::nullopt;
}

void Server::hand_over(std::uint64_t save) {
  if (handed_over_.contains(save)) return;
  const transport::Staged* any = nullptr;
  for (const auto& [id, session] : sessions_) {
    const auto staged = session.staged.find(save);
    if (staged != session.staged.end())
      any = &staged->second;
    else if (session.connected)
      return;  // this rank is still copying
  }
  if (any == nullptr) return;
  if (handed_over_.empty()) drain_.end();
  handed_over_.insert(save);
  jobs_.push(make_job(save, *any));
}

SaveJob Server::make_job(std::uint64_t save, const transport::Staged& any) const {
  SaveJob job{.save = save,
              .sequence = any.sequence,
              .parent = any.parent,
              .step = any.step,
              .plan = any.plan,
              .wave = any.wave,
              .world_size = hello_->world_size,
              .parts = {},
              .copy = {},
              .attributes = {},
              .error = {},
              .since_staged = {}};
  for (const auto& [id, session] : sessions_) {
    const auto staged = session.staged.find(save);
    if (staged == session.staged.end()) {
      job.error = Error(ErrorCode::invalid_state, "a rank died before it had staged its part; the save is dropped",
                        {.rank = session.rank, .host = host_name()});
    } else if (staged->second.failed) {
      ErrorRecord error = staged->second.error;
      error.rank = session.rank;
      job.error = to_error(error);
    } else {
      if (session.rank == 0) {
        job.copy = staged->second.copy;
        job.attributes = staged->second.attributes;
      }
      job.waves = session.plans.at(staged->second.plan)->waves;
      job.parts.push_back({.layout = session.plans.at(staged->second.plan),
                           .arena = find_arena(session, staged->second.arena).value().data()});
    }
  }
  return job;
}

void Server::on_outcome(const WaveWritten& drained) {
  handed_over_.erase(drained.save);
  drained_[drained.save] = drained.wave + 1;
  drain_.end();
  for (auto& [id, session] : sessions_) {
    session.staged.erase(drained.save);
    send(session, transport::Drained{.save = drained.save, .wave = drained.wave});
  }
  leave_if_alone();
}

void Server::on_outcome(const SaveEnded& saved) {
  transport::Done done{.save = saved.save,
                       .failed = saved.error.has_value(),
                       .error = saved.error ? to_record(*saved.error) : ErrorRecord{},
                       .path = saved.result.path.string(),
                       .bytes = saved.result.bytes,
                       .write_s = saved.result.write_s,
                       .fsync_s = saved.result.fsync_s,
                       .commit_s = saved.commit_s};
  handed_over_.erase(saved.save);
  drained_.erase(saved.save);
  drain_.end();
  if (saved.runs_program) ++programs_;
  for (auto& [id, session] : sessions_) {
    if (session.staged.contains(saved.save)) answer(session, done);
  }
  leave_if_alone();
}

void Server::on_outcome(const AfterCommitEnded& /*ended*/) {
  --programs_;
  drain_.end();
  for (auto& [id, session] : sessions_) close_idle(session);
}

void Server::answer(Session& session, const transport::Done& done) {
  session.staged.erase(done.save);
  send(session, done);
  close_idle(session);
}

void Server::on_bye(Session& session, const transport::Bye& bye, std::uint32_t number) {
  require(bye.time_left_s >= 0, "a rank said bye with less than no time left");
  session.bye = number;
  if (bye.time_left_s > 0 && !ranks_wait_until_) ranks_wait_until_.emplace(time_for_programs(bye.time_left_s));
  close_idle(session);
  leave_if_alone();
}

void Server::close_idle(Session& session) {
  if (session.bye && session.staged.empty() && programs_ == 0) send(session, transport::Closed{}, *session.bye);
}

/// The start fails on all ranks when one of them cannot take part.
void Server::on_declined(const transport::Introduction& who) {
  log::debug("rank {} does not come: {}", who.rank, who.refusal.message);
  leave_if_alone();
}

/// Saves that the lost rank has staged go on; those that wait for it are given up.
void Server::on_lost(SessionId id) {
  Session& session = sessions_.at(id);
  session.connected = false;
  if (!session.bye && opened_) log::warning("rank {} is gone without a word", session.rank);
  std::set<std::uint64_t> open;
  for (const auto& entry : sessions_)
    for (const auto& staged : entry.second.staged) open.insert(staged.first);
  for (const std::uint64_t save : open) hand_over(save);
  if (!session.bye) check_rank_death(session);
  leave_if_alone();
}

bool Server::anyone_connected() const {
  return std::ranges::any_of(sessions_, [](const auto& entry) { return entry.second.connected && !entry.second.bye; });
}

void Server::leave_if_alone() {
  const bool expects_more = rank_died_ && !greeted_ && !survivors_ended_;
  if (!anyone_connected() && !expects_more) leave();
}

/// Leaving is one more job, so that the saves before it are written first.
void Server::leave() {
  if (std::exchange(leaving_, true)) return;
  if (handed_over_.empty()) drain_.end();
  const Seconds most = time_for_programs(options_.save_timeout_s);  // after save_timeout_s, the drain counts as stuck
  jobs_.push(LeaveJob{.programs_end = ranks_wait_until_ ? ranks_wait_until_->or_within(most) : Deadline(most)});
}

}  // namespace holdfast::helper
