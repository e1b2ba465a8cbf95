#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "helper/jobs.hpp"
#include "wrap/mpi_control_messages.hpp"

namespace holdfast::helper {

/// Watches over the other helpers, whatever the drains do or wait for. Helper 0 and each other helper exchange a
/// heartbeat at least once per second, and helper 0 passes the news of one helper on to all.
///
/// It has a thread of its own, so MPI must let several threads call it. Where a program with reserved ranks did not ask
/// for that, nothing is watched. See docs/decisions/0010-deaths.md.
class HeartbeatMonitor {
 public:
  /// `helpers` is borrowed. `report` is called in the monitor's thread, with HelperLost and with RankDied.
  HeartbeatMonitor(const mpi::Communicator& helpers, std::function<void(Outcome)> report);
  HeartbeatMonitor(const HeartbeatMonitor&) = delete;
  HeartbeatMonitor& operator=(const HeartbeatMonitor&) = delete;
  ~HeartbeatMonitor() = default;

  /// Starts the watch. Collective over the helpers, once. A helper that is silent for `longest_silence_s` is lost.
  void start(double longest_silence_s);
  /// Tells the other helpers that `rank`, which this helper serves, has died. Returns the rank of the program that died
  /// first: a death that another helper has reported comes before this one, which it may have caused. Callable from any
  /// thread.
  [[nodiscard]] int tell_rank_died(int rank);
  /// Tells the other helpers that this one is going to leave. Callable from any thread.
  void tell_leaving();
  /// Waits until all news is on its way, for 1 s at most. Callable from any thread.
  void flush();

 private:
  struct Name {
    std::string host;
    int pid = -1;
    static void fields(auto& c, auto& s) { c(s.host, s.pid); }
  };
  /// A helper with which this one exchanges heartbeats.
  struct Partner {
    int number = 0;
    LivenessTimer liveness;
    std::deque<mpi::ControlMessage> news;  ///< to be sent
  };

  void run(const std::stop_token& stop);
  void listen(mpi::ControlMessages& messages);
  void hear(mpi::ControlMessage message, int from);
  void look_for_silence();
  void speak(mpi::ControlMessages& messages);
  void pass_on(mpi::ControlMessage news, int from);
  void lose(int helper, const std::string& why);
  void tell(mpi::ControlMessage news);
  void await_round();
  bool is_first_death(int rank);
  [[nodiscard]] bool all_told();

  const mpi::Communicator& comm_;
  std::function<void(Outcome)> report_;
  double longest_silence_s_ = 0;
  std::vector<Name> names_;  ///< host and pid of each helper
  std::mutex mutex_;         ///< guards the members below but lost_one_, and of a partner only its news
  std::condition_variable_any changed_;
  std::vector<Partner> partners_;
  bool told_ = false;  ///< there is news since the last round
  std::uint64_t rounds_ = 0, wanted_rounds_ = 0;
  std::optional<int> first_death_;  ///< the rank that died first
  bool lost_one_ = false;           ///< used by the thread only
  std::jthread thread_;             // declared last, so that it is joined first
};

}  // namespace holdfast::helper
