#include "base/clock.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace holdfast {
namespace {

TEST(Deadline, OfNoTimeIsOver) {
  const Deadline deadline(Seconds(0));
  EXPECT_TRUE(deadline.over());
  EXPECT_EQ(deadline.poll_ms(1000), 0);
}

TEST(Deadline, InThePastDoesNotWait) {
  EXPECT_EQ(Deadline(Seconds(-5)).poll_ms(1000), 0);
}

TEST(Deadline, PollsAtMostTheCap) {
  const Deadline deadline(Seconds(3600));
  EXPECT_FALSE(deadline.over());
  EXPECT_EQ(deadline.poll_ms(250), 250);
}

TEST(Deadline, RoundsUpSoThatALoopDoesNotSpin) {
  const Deadline deadline(Seconds(0.5));
  const int left = deadline.poll_ms(10'000);
  EXPECT_GT(left, 0);
  EXPECT_LE(left, 500);
}

TEST(Silence, EndsWhenSomethingIsHeard) {
  Silence silence;
  const double first = silence.seconds();
  EXPECT_GE(silence.seconds(), first);
  silence.end();
  EXPECT_LT(silence.seconds(), 1);
}

/// As after a stop of the whole job.
TEST(Silence, DoesNotCountATimeInWhichNobodyLooked) {
  Silence silence;
  std::this_thread::sleep_for(std::chrono::milliseconds(1300));
  EXPECT_EQ(silence.seconds(), 1);
}

TEST(Deadline, IsTheEarlierOfTwo) {
  EXPECT_TRUE(Deadline(Seconds(3600)).or_within(Seconds(0)).over());
  EXPECT_TRUE(Deadline(Seconds(0)).or_within(Seconds(3600)).over());
}

TEST(Stopwatch, OnlyGrows) {
  const Stopwatch watch;
  const double first = watch.seconds();
  EXPECT_GE(first, 0);
  EXPECT_GE(watch.seconds(), first);
}

}  // namespace
}  // namespace holdfast
