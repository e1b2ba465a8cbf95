#include "base/clock.hpp"

#include <gtest/gtest.h>

#include <limits>
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

/// The clock counts nanoseconds in 64 bits, which is 292 years.
TEST(Deadline, WithoutEndIsInTenYears) {
  const double infinity = std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::max();
  for (const double timeout_s : {4e8, 1e10, 1e19, most, infinity, Seconds(std::chrono::hours::max()).count()}) {
    const Deadline deadline{Seconds(timeout_s)};
    const Seconds left = deadline.left();
    EXPECT_LE(left, std::chrono::years(10)) << timeout_s;
    EXPECT_GT(left, std::chrono::years(9)) << timeout_s;
    EXPECT_TRUE(Deadline(Seconds(-timeout_s)).over()) << timeout_s;
  }
}

TEST(Deadline, PollsAtMostTheCap) {
  const Deadline deadline(Seconds(3600));
  EXPECT_FALSE(deadline.over());
  EXPECT_EQ(deadline.poll_ms(250), 250);
}

TEST(Deadline, LooksOncePerSecond) {
  const Deadline deadline(Seconds(3600));
  EXPECT_EQ(deadline.poll_ms(10'000), 1000);
  EXPECT_EQ(deadline.pause(), Seconds(1));
}

TEST(Deadline, DoesNotCountATimeInWhichNobodyLooked) {
  const Deadline deadline(Seconds(1.2));
  std::this_thread::sleep_for(std::chrono::milliseconds(1300));
  EXPECT_FALSE(deadline.over());
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_TRUE(deadline.over());
}

TEST(Deadline, RoundsUpSoThatALoopDoesNotSpin) {
  const Deadline deadline(Seconds(0.5));
  const int left = deadline.poll_ms();
  EXPECT_GT(left, 0);
  EXPECT_LE(left, 500);
}

TEST(LivenessTimer, EndsWhenSomethingIsHeard) {
  LivenessTimer silence;
  const double first = silence.seconds();
  EXPECT_GE(silence.seconds(), first);
  silence.end();
  EXPECT_LT(silence.seconds(), 1);
}

/// As after a stop of the whole job.
TEST(LivenessTimer, DoesNotCountATimeInWhichNobodyLooked) {
  LivenessTimer silence;
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
