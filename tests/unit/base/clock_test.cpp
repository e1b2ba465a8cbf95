#include "base/clock.hpp"

#include <gtest/gtest.h>

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

TEST(Stopwatch, OnlyGrows) {
  const Stopwatch watch;
  const double first = watch.seconds();
  EXPECT_GE(first, 0);
  EXPECT_GE(watch.seconds(), first);
}

}  // namespace
}  // namespace holdfast
