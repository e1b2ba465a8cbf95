// Helpers tell each other of deaths. Every rank here stands for a helper.
#include <gtest/gtest.h>
#include <mpi.h>

#include <chrono>
#include <future>

#include "helper/heartbeat_monitor.hpp"

namespace holdfast::helper {
namespace {

constexpr double longest_silence_s = 60;  // so that they look for letters once per second

class PeerWatchTest : public testing::Test {
 protected:
  PeerWatchTest() : watch_(comm_, [this](Outcome outcome) { reported_.set_value(std::get<RankDied>(outcome).rank); }) {
    watch_.start(longest_silence_s);
  }
  ~PeerWatchTest() override { MPI_Barrier(MPI_COMM_WORLD); }

  int reported() {
    auto future = reported_.get_future();
    if (future.wait_for(std::chrono::seconds(30)) == std::future_status::ready) return future.get();
    ADD_FAILURE() << "nothing was reported";
    return -1;
  }

  const mpi::Communicator comm_ = mpi::Communicator::duplicate(MPI_COMM_WORLD).asleep();
  std::promise<int> reported_;
  HeartbeatMonitor watch_;
};

/// Whoever is killed together with the first one, as a scheduler kills the rest of a step, is a consequence of it.
TEST_F(PeerWatchTest, ADeathThatAnotherHelperHasToldOfComesFirst) {
  if (comm_.rank() == 1) {
    EXPECT_EQ(watch_.tell_rank_died(7), 7);
    watch_.flush();
  }
  MPI_Barrier(MPI_COMM_WORLD);  // the letter to helper 0 is there, and has hardly been read
  if (comm_.rank() == 0) {
    EXPECT_EQ(watch_.tell_rank_died(3), 7);
  }
  if (comm_.rank() != 1) {
    EXPECT_EQ(reported(), 7);
  }
}

TEST_F(PeerWatchTest, OfTwoDeathsOfOneHelperTheFirstCounts) {
  if (comm_.rank() == 0) {
    EXPECT_EQ(watch_.tell_rank_died(4), 4);
    EXPECT_EQ(watch_.tell_rank_died(5), 4);
  } else {
    EXPECT_EQ(reported(), 4);
  }
}

}  // namespace
}  // namespace holdfast::helper
