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
#include "wrap/mpi_letters.hpp"

namespace holdfast::helper {

/// The helpers of a world watch over each other, whatever their drains are doing or waiting for: helper 0 and each other one
/// exchange a beat at least once per second, and helper 0 passes on what one has to tell all.
///
/// In a thread of its own, so MPI must let several threads call it; in a program with reserved ranks that does not, there is no
/// watch. docs/decisions/0010-deaths.md.
class PeerWatch {
 public:
  /// `report` is called in the watch's thread with HelperLost, once, and with RankDied.
  PeerWatch(const mpi::Communicator& helpers, std::function<void(Outcome)> report);
  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;
  ~PeerWatch() = default;

  /// Collective over the helpers, once: begins. One that is silent for so long is lost.
  void start(double longest_silence_s);
  /// From any thread: a rank of this helper has died. Returns the first one of the program that has, as what another helper has
  /// told already comes before it: its death may have brought about this one.
  [[nodiscard]] int tell_rank_died(int rank);
  /// From any thread: this helper itself is going to leave.
  void tell_leaving();
  /// From any thread: waits until what was told is on its way, for a moment at most.
  void flush();

 private:
  struct Name {
    std::string host;
    int pid = -1;
    static void fields(auto& c, auto& s) { c(s.host, s.pid); }
  };
  /// Somebody with whom this helper exchanges beats.
  struct Partner {
    int number = 0;
    Silence silence;
    std::deque<mpi::Letter> news;  ///< to be sent
  };

  void run(const std::stop_token& stop);
  void listen(mpi::Letters& letters);
  void hear(mpi::Letter letter, int from);
  void look_for_silence();
  void speak(mpi::Letters& letters);
  void pass_on(mpi::Letter news, int from);
  void lose(int helper, const std::string& why);
  void tell(mpi::Letter news);
  void await_round();
  bool is_first_death(int rank);
  [[nodiscard]] bool all_told();

  const mpi::Communicator& comm_;
  std::function<void(Outcome)> report_;
  double longest_silence_s_ = 0;
  std::vector<Name> names_;  ///< of all helpers
  std::mutex mutex_;         ///< for what follows, of a partner its news
  std::condition_variable_any changed_;
  std::vector<Partner> partners_;
  bool told_ = false;  ///< there is news since the last round
  std::uint64_t rounds_ = 0, wanted_rounds_ = 0;
  std::optional<int> first_death_;  ///< the rank
  bool lost_one_ = false;           ///< the thread's own
  std::jthread thread_;             // last, so that it ends first
};

}  // namespace holdfast::helper
