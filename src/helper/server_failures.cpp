// What the Server does when another helper, its own drain or a rank is gone. See docs/decisions/0010-deaths.md.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "base/process.hpp"
#include "helper/job_termination.hpp"
#include "helper/server.hpp"

namespace holdfast::helper {
namespace {

/// Time that a dying process has to end after it closed its sockets.
constexpr double moment_s = 1;
/// Time for what living ranks may still finish by themselves.
constexpr double patience_s = 10;

}  // namespace

bool Server::needs_polling() const {
  return !greeted_ || !handed_over_.empty() || leaving_ || (orphaned_ && !survivors_ended_);
}

/// A leaving drain waits until the other helpers have written. Where the directory was never opened, they have nothing
/// to write.
void Server::give_up_if_stuck() {
  if (!hello_ || (handed_over_.empty() && !leaving_)) return;
  const double limit_s = opened_ ? options_.save_timeout_s : settings_.helper_timeout_s;
  if (drain_.seconds() < limit_s) return;
  monitor_.tell_leaving();
  give_up(Error(ErrorCode::timeout,
                fmt::format("the helper (pid {}) {} in {} s, and is given up", getpid(),
                            handed_over_.empty() ? "could not leave the others" : "has not written the save", limit_s),
                {.host = host_name(), .path = options_.directory.string()}));
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
  monitor_.flush();
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

/// A rank may have closed its channel only to get new helpers, so the process itself is checked.
void Server::check_rank_death(const Session& session) {
  if (!process::has_ended(session.process.get(), Deadline(Seconds(moment_s)))) return;
  const int first = monitor_.tell_rank_died(session.rank);
  on_rank_died(first, first != session.rank ? std::string{}
                                            : fmt::format(" (host {}, pid {}{})", host_name(), session.pid,
                                                          process::how_it_ended(session.process.get())));
}

/// The first rank that dies ends the others, once what was staged is written.
void Server::on_rank_died(int rank, const std::string& how) {
  if (rank_died_ || survivors_ended_ || !settings_.end_survivors) return;
  log::write(log::Level::error,
             fmt::format("rank {} has died{}; the other ranks are ended as soon as what was staged is written "
                         "(Options::end_survivors)",
                         rank, how));
  rank_died_ = true;
  orphaned_.emplace();
  end_survivors_in_time();
}

/// A rank that died before it reached its helper is noticed only because the others wait for it.
void Server::give_up_if_ungreeted() {
  if (greeted_ || leaving_ || orphaned_ || ungreeted_.seconds() < settings_.timeout_s) return;
  log::warning("not all ranks have said hello within {} s (Options::launch_timeout_s)", settings_.timeout_s);
  if (!anyone_connected() || !settings_.end_survivors) return leave();
  orphaned_.emplace();
}

/// True while the living ranks may still stage a save that the dead one has staged, or notice that their start timed
/// out.
bool Server::may_go_on_alone() const {
  return !rank_died_ || std::ranges::any_of(sessions_, [](const auto& entry) { return !entry.second.staged.empty(); });
}

/// The drain's saves are written first. At the start, ranks that connect a little later are ended, too: they would wait
/// in MPI for the dead one.
void Server::end_survivors_in_time() {
  if (!orphaned_ || survivors_ended_ || !handed_over_.empty()) return;
  const bool patience_over = orphaned_->seconds() >= patience_s;
  if (may_go_on_alone() && !patience_over) return;
  if (!rank_died_)
    log::write(log::Level::error, "ranks that wait for others at the start are ended (Options::end_survivors)");
  std::vector<int> survivors;
  for (const auto& [id, session] : sessions_)
    if (session.connected && session.process) survivors.push_back(session.process.get());
  survivors_ended_ = greeted_ || patience_over;
  monitor_.flush();
  end_processes(survivors);
  end_mpirun();
  leave_if_alone();  // maybe no rank ever connected
}

}  // namespace holdfast::helper
