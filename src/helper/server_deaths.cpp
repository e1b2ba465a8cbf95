// The Server's last pages: what it does when another helper, its own drain, or a rank is gone. docs/decisions/0010-deaths.md.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/process.hpp"
#include "helper/server.hpp"
#include "helper/survivors.hpp"

namespace holdfast::helper {
namespace {

/// A process closes its sockets a moment before it counts as ended.
constexpr double moment_s = 1;
/// For what ranks that live may still get done by themselves.
constexpr double patience_s = 10;

}  // namespace

bool Server::restless() const {
  return !greeted_ || !handed_over_.empty() || leaving_ || (orphaned_ && !survivors_ended_);
}

/// A drain that is leaving waits for what other helpers have to write. Where the directory was never opened, that is nothing.
void Server::give_up_if_stuck() {
  if (!hello_ || (handed_over_.empty() && !leaving_)) return;
  const double limit_s = opened_ ? hello_->save_timeout_s : settings_.helper_timeout_s;
  if (drain_.seconds() < limit_s) return;
  peers_.tell_leaving();
  give_up(Error(ErrorCode::timeout,
                fmt::format("the helper (pid {}) {} in {} s, and is given up", getpid(),
                            handed_over_.empty() ? "could not leave the others" : "has not written the save", limit_s),
                {.host = host_name(), .path = hello_->directory}));
}

void Server::give_up(const Error& error) {
  if (gave_up_) return;
  gave_up_ = true;
  log::write(log::Level::error, error.what());
  transport::Done last_word{.failed = true, .error = to_record(error), .path = {}, .last_word = true};
  for (auto& [id, session] : sessions_) {
    do {
      last_word.save = session.staged.empty() ? 0 : session.staged.begin()->first;
      answer(session, last_word);
    } while (!session.staged.empty());
  }
  peers_.flush();
  service_.stop();
}

void Server::on_outcome(const HelperLost& loss) {
  give_up(loss.error);
}

void Server::on_outcome(const RankDied& death) {
  on_rank_died(death.rank, {});
}

void Server::await_ranks_end() const noexcept {
  for (const auto& [id, session] : sessions_)
    while (session.process && !process::has_ended(session.process.get(), Deadline(Seconds(moment_s)))) {
    }
}

/// A rank that only closed its line, because it wants other helpers, lives.
void Server::mourn(const Session& session) {
  if (!process::has_ended(session.process.get(), Deadline(Seconds(moment_s)))) return;
  const int first = peers_.tell_rank_died(session.rank);
  on_rank_died(first, first != session.rank ? std::string{}
                                            : fmt::format(" (host {}, pid {}{})", host_name(), session.pid,
                                                          process::how_it_ended(session.process.get())));
}

/// The first one that dies takes the others along, once what was staged is written.
void Server::on_rank_died(int rank, const std::string& how) {
  if (rank_died_ || survivors_ended_ || !settings_.end_survivors) return;
  log::write(log::Level::error, fmt::format("rank {} has died{}; the other ranks are ended as soon as what was staged is written "
                                            "(Options::end_survivors)",
                                            rank, how));
  rank_died_ = true;
  orphaned_.emplace();
  end_survivors_in_time();
}

/// A rank that died before it reached its helper leaves no trace but the others, who wait for it.
void Server::give_up_if_ungreeted() {
  if (greeted_ || leaving_ || orphaned_ || ungreeted_.seconds() < settings_.timeout_s) return;
  log::warning("not all ranks have said hello within {} s (Options::launch_timeout_s)", settings_.timeout_s);
  if (!anyone_connected() || !settings_.end_survivors) return leave();
  orphaned_.emplace();
}

/// Those who live may be copying what one that has died had staged already, or find out that their own time to start is over.
bool Server::may_go_on_alone() const {
  return !rank_died_ || std::ranges::any_of(sessions_, [](const auto& entry) { return !entry.second.staged.empty(); });
}

/// What the drain has is written first. At the start, ranks that connect a little later are ended, too: they would wait for the dead
/// one in MPI.
void Server::end_survivors_in_time() {
  if (!orphaned_ || survivors_ended_ || !handed_over_.empty()) return;
  const bool patience_over = orphaned_->seconds() >= patience_s;
  if (may_go_on_alone() && !patience_over) return;
  if (!rank_died_) log::write(log::Level::error, "ranks that wait for others at the start are ended (Options::end_survivors)");
  std::vector<int> survivors;
  for (const auto& [id, session] : sessions_)
    if (session.connected && session.process) survivors.push_back(session.process.get());
  survivors_ended_ = greeted_ || patience_over;
  peers_.flush();
  end_processes(survivors);
  end_mpirun();
  leave_if_alone();  // nobody may ever have come here
}

}  // namespace holdfast::helper
