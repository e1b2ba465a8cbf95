#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <variant>

#include "base/mailbox.hpp"
#include "helper/heartbeat_monitor.hpp"
#include "helper/helper.hpp"
#include "helper/jobs.hpp"
#include "transport/service.hpp"

namespace holdfast::helper {

/// The helper's listening side, a state machine over its ranks' messages:
///
///     rank:    hello … open_arena, plan … staged, staged … bye        a save in waves:  staged, staged,  staged
///     server:  welcome … arena_ready …    done, done   … closed                            drained, drained, done
///
/// All calls and callbacks are in the thread of Service::run(), except report() and finish().
class Server {
 public:
  /// All arguments are borrowed.
  Server(transport::Service& service, Mailbox<Job>& jobs, HeartbeatMonitor& monitor, const ServeOptions& settings)
      : service_(service), jobs_(jobs), monitor_(monitor), settings_(settings) {}

  /// Serves until all ranks are gone and the drain has nothing left, or until this helper gives up.
  void run();
  /// Hands over an outcome. Called in the threads of the drain and of the HeartbeatMonitor.
  void report(Outcome outcome);
  /// Ends run(). Callable from any thread.
  void finish();

  // Callable after run():
  /// True if another helper is lost or the drain is stuck. The ranks have been told; the drain may never return.
  [[nodiscard]] bool gave_up() const noexcept { return gave_up_; }
  /// True if the job lives on without this process.
  [[nodiscard]] bool may_leave() const noexcept { return !hello_ || hello_->replaceable; }
  /// Waits until the processes of all ranks have ended.
  void await_ranks_end() const noexcept;

 private:
  /// An arena of a rank, or the wish for one.
  struct RankArena {
    std::uint64_t number = 0;
    std::uint32_t question = 0;        ///< number of the message that asked for it
    std::span<std::byte> memory = {};  ///< empty until it is made
  };
  /// What the helper knows of one rank, from its introduction on.
  struct Session {
    transport::SessionId id = 0;
    int rank = -1;
    int pid = -1;
    FileDescriptor process;  ///< pidfd, if there is one
    bool connected = true;
    std::optional<std::uint32_t> hello, bye;    ///< numbers of these messages, once they came
    std::map<std::uint32_t, RankArena> arenas;  ///< by slot
    std::map<std::uint64_t, std::shared_ptr<const plan::RankLayout>> plans;
    std::map<std::uint64_t, transport::Staged> staged;  ///< by save, until the wave is written
  };
  struct Ending {};

  void on_message(transport::SessionId id, const transport::Message& message);
  void on_lost(transport::SessionId id);
  void on_declined(const transport::Introduction& who);
  void on_arena_made(const transport::MadeArena& made);
  void on_woken();

  static void require(bool sense, const char* otherwise);
  void on_hello(Session& session, const transport::Hello& hello, std::uint32_t number);
  void on_ask_room(Session& session, std::uint32_t number);
  void on_open_arena(Session& session, const transport::OpenArena& wish, std::uint32_t number);
  void on_plan(Session& session, const transport::Plan& plan);
  void on_staged(Session& session, transport::Staged staged);
  void on_bye(Session& session, const transport::Bye& bye, std::uint32_t number);
  void on_outcome(const Opened& opened);
  void on_outcome(const WaveWritten& drained);
  void on_outcome(const SaveEnded& saved);
  void on_outcome(const AfterCommitEnded& ended);
  void on_outcome(const HelperLost& loss);
  void on_outcome(const RankDied& death);

  /// Hands the save to the drain once every rank that is still connected has staged it.
  void hand_over(std::uint64_t save);
  [[nodiscard]] SaveJob make_job(std::uint64_t save, const transport::Staged& any) const;
  void answer(Session& session, const transport::Done& done);
  void close_idle(Session& session);
  [[nodiscard]] bool anyone_connected() const;
  void leave_if_alone();
  void leave();

  // Defined in server_failures.cpp:
  [[nodiscard]] bool needs_polling() const;
  void give_up_if_stuck();
  void give_up_if_ungreeted();
  void give_up(const Error& error);
  void check_rank_death(const Session& session);
  void on_rank_died(int rank, const std::string& how);
  void end_survivors_in_time();
  [[nodiscard]] bool may_go_on_alone() const;

  // Defined in server.cpp:
  /// `about` is the number of the session's message that this one answers; 0: none.
  template <class T>
  void send(const Session& session, const T& message, std::uint32_t about = 0);
  void lend(Session& session, std::uint32_t slot, const transport::MadeArena& made);
  /// Returns the memory of the session's arena of this number, empty for number 0; nothing if it has no such arena.
  [[nodiscard]] static std::optional<std::span<std::byte>> find_arena(const Session& session, std::uint64_t number);

  transport::Service& service_;
  Mailbox<Job>& jobs_;
  HeartbeatMonitor& monitor_;
  const ServeOptions& settings_;
  Mailbox<std::variant<Outcome, Ending>> outcomes_;
  std::map<transport::SessionId, Session> sessions_;
  std::optional<transport::Hello> hello_;           ///< hello of the first rank; the others ask for the same
  Options options_;                                 ///< options of that hello
  std::set<std::uint64_t> handed_over_;             ///< saves at the drain
  std::map<std::uint64_t, std::uint32_t> drained_;  ///< number of waves written, by unfinished save
  int programs_ = 0;                                ///< programs after commits that are not over
  std::optional<Deadline> ranks_wait_until_;        ///< how long the first rank waits that has said bye
  LivenessTimer drain_;                             ///< since the drain last got or finished a job
  std::optional<LivenessTimer> orphaned_;           ///< since ranks wait for a dead one; they are to be ended
  bool rank_died_ = false;
  std::uint64_t last_arena_ = 0;  ///< number of the last arena
  bool survivors_ended_ = false;
  LivenessTimer ungreeted_;  ///< since the beginning
  bool greeted_ = false;     ///< all ranks of this helper have said hello
  bool opened_ = false;
  bool leaving_ = false;
  bool gave_up_ = false;
};

}  // namespace holdfast::helper
