#include "base/pace.hpp"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

constexpr Clock::time_point start{std::chrono::hours(1)};

Clock::time_point after(double seconds) {
  return start + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
}

TEST(Pace, WithoutALimitNothingWaits) {
  Pace pace(0);
  EXPECT_EQ(pace.wait_before(1 << 30, start).count(), 0);
  EXPECT_EQ(pace.wait_before(1 << 30, start).count(), 0);
  EXPECT_EQ(pace.portion(123), 123U);
}

TEST(Pace, WhatCameBeforeHasItsTime) {
  Pace pace(1000);
  EXPECT_EQ(pace.wait_before(500, start).count(), 0);
  EXPECT_NEAR(pace.wait_before(2000, start).count(), 0.5, 1e-6);
  EXPECT_NEAR(pace.wait_before(1, after(1)).count(), 1.5, 1e-6);
}

TEST(Pace, IdleTimeIsNotSaved) {
  Pace pace(1000);
  EXPECT_EQ(pace.wait_before(1000, start).count(), 0);
  EXPECT_EQ(pace.wait_before(1000, after(100)).count(), 0);
  EXPECT_NEAR(pace.wait_before(1000, after(100)).count(), 1, 1e-6);
}

TEST(Pace, OneThatNeverEndsWaitsTenYears) {
  Pace pace(1);
  EXPECT_EQ(pace.wait_before(std::uint64_t{1} << 50, start).count(), 0);
  EXPECT_EQ(pace.wait_before(1, start), std::chrono::years(10));
}

TEST(Pace, PortionsAreAQuarterOfASecond) {
  const Pace pace(1000);
  EXPECT_EQ(pace.portion(1 << 20), 250U);
  EXPECT_EQ(pace.portion(7), 7U);
  EXPECT_EQ(Pace(1).portion(100), 1U);
}

}  // namespace
}  // namespace holdfast
