#include "base/rate_limiter.hpp"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

constexpr Clock::time_point start{std::chrono::hours(1)};

Clock::time_point after(double seconds) {
  return start + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
}

TEST(RateLimiter, WithoutALimitNothingWaits) {
  RateLimiter limiter(0);
  EXPECT_EQ(limiter.wait_before(1 << 30, start).count(), 0);
  EXPECT_EQ(limiter.wait_before(1 << 30, start).count(), 0);
  EXPECT_EQ(limiter.portion(123), 123U);
}

TEST(RateLimiter, WhatCameBeforeHasItsTime) {
  RateLimiter limiter(1000);
  EXPECT_EQ(limiter.wait_before(500, start).count(), 0);
  EXPECT_NEAR(limiter.wait_before(2000, start).count(), 0.5, 1e-6);
  EXPECT_NEAR(limiter.wait_before(1, after(1)).count(), 1.5, 1e-6);
}

TEST(RateLimiter, IdleTimeIsNotSaved) {
  RateLimiter limiter(1000);
  EXPECT_EQ(limiter.wait_before(1000, start).count(), 0);
  EXPECT_EQ(limiter.wait_before(1000, after(100)).count(), 0);
  EXPECT_NEAR(limiter.wait_before(1000, after(100)).count(), 1, 1e-6);
}

TEST(RateLimiter, OneThatNeverEndsWaitsTenYears) {
  RateLimiter limiter(1);
  EXPECT_EQ(limiter.wait_before(std::uint64_t{1} << 50, start).count(), 0);
  EXPECT_EQ(limiter.wait_before(1, start), std::chrono::years(10));
}

TEST(RateLimiter, PortionsAreAQuarterOfASecond) {
  const RateLimiter limiter(1000);
  EXPECT_EQ(limiter.portion(1 << 20), 250U);
  EXPECT_EQ(limiter.portion(7), 7U);
  EXPECT_EQ(RateLimiter(1).portion(100), 1U);
}

}  // namespace
}  // namespace holdfast
