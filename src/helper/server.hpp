#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <variant>

#include "base/mailbox.hpp"
#include "helper/helper.hpp"
#include "helper/jobs.hpp"
#include "helper/peers.hpp"
#include "transport/service.hpp"

namespace holdfast::helper {

/// The helper's listening side, a state machine over its ranks' messages:
///
///     rank:    hello … open_arena, plan … staged, staged … bye        a save in waves:  staged, staged,  staged
///     server:  welcome … arena_ready …    done, done   … closed                            drained, drained, done
///
/// All calls and callbacks are in the thread of Service::run, but for report().
class Server {
 public:
  /// All are borrowed.
  Server(transport::Service& service, Mailbox<Job>& jobs, PeerWatch& peers, const Service& settings)
      : service_(service), jobs_(jobs), peers_(peers), settings_(settings) {}

  /// Serves until all ranks are gone and the drain has nothing left, or until this helper gives up.
  void run();
  /// From the threads of the drain and of the watch: hands over an outcome.
  void report(Outcome outcome);
  /// From any thread: ends run().
  void finish();

  // After run():
  /// Another helper is lost, or the drain is stuck. The ranks have been told; the drain cannot be waited for.
  [[nodiscard]] bool gave_up() const noexcept { return gave_up_; }
  /// Does the job live on without this process?
  [[nodiscard]] bool may_leave() const noexcept { return !hello_ || hello_->replaceable; }
  void await_ranks_end() const noexcept;

 private:
  /// An arena, or the wish for one.
  struct Lent {
    std::uint64_t number = 0;
    std::uint32_t question = 0;        ///< the number of the message that asked for it
    std::span<std::byte> memory = {};  ///< once it is made
  };
  /// One rank's line, from its introduction until it said bye or died.
  struct Session {
    transport::SessionId id = 0;
    int rank = -1;
    int pid = -1;
    FileDescriptor process;  ///< pidfd, if there is one
    bool connected = true;
    std::optional<std::uint32_t> hello, bye;  ///< numbers of the messages, once they were said
    std::map<std::uint32_t, Lent> arenas;     ///< by slot
    std::map<std::uint64_t, std::shared_ptr<const RankLayout>> plans;
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
  void on_bye(Session& session, std::uint32_t number);
  void on_outcome(const Opened& opened);
  void on_outcome(const Drained& drained);
  void on_outcome(const Saved& saved);
  void on_outcome(const HelperLost& loss);
  void on_outcome(const RankDied& death);

  /// Hands saves to the drain that every rank has staged, or that cannot be staged by all any more.
  void hand_over(std::uint64_t save);
  [[nodiscard]] SaveJob make_job(std::uint64_t save, const transport::Staged& any) const;
  void answer(Session& session, const transport::Done& done);
  void close_idle(Session& session);
  [[nodiscard]] bool anyone_connected() const;
  void leave_if_alone();
  void leave();

  // server_deaths.cpp:
  [[nodiscard]] bool restless() const;
  void give_up_if_stuck();
  void give_up_if_ungreeted();
  void give_up(const Error& error);
  void mourn(const Session& session);
  void on_rank_died(int rank, const std::string& how);
  void end_survivors_in_time();
  [[nodiscard]] bool may_go_on_alone() const;
  /// `about`: the number of the session's message that this one answers, if any.
  template <class T>
  void send(const Session& session, const T& message, std::uint32_t about = 0);
  void lend(Session& session, std::uint32_t slot, const transport::MadeArena& made);
  /// The memory of its arena of this number, or of none; nothing if it has no such arena.
  [[nodiscard]] static std::optional<std::span<std::byte>> find_arena(const Session& session, std::uint64_t number);

  transport::Service& service_;
  Mailbox<Job>& jobs_;
  PeerWatch& peers_;
  const Service& settings_;
  Mailbox<std::variant<Outcome, Ending>> outcomes_;
  std::map<transport::SessionId, Session> sessions_;
  std::optional<transport::Hello> hello_;           ///< what the first rank asked for; the others ask for the same
  std::set<std::uint64_t> handed_over_;             ///< saves at the drain
  std::map<std::uint64_t, std::uint32_t> drained_;  ///< how many waves of an unfinished save are written
  Silence drain_;                                   ///< since the drain got something to do, or was done with something
  std::optional<Silence> orphaned_;                 ///< since ranks wait for one that is not there, and are to be ended
  bool rank_died_ = false;
  std::uint64_t last_arena_ = 0;  ///< the number that was given last
  bool survivors_ended_ = false;
  Silence ungreeted_;     ///< since the beginning
  bool greeted_ = false;  ///< all ranks of this helper have said hello
  bool opened_ = false;
  bool leaving_ = false;
  bool gave_up_ = false;
};

}  // namespace holdfast::helper
