#include "plan/fitting.hpp"

#include <gtest/gtest.h>

namespace holdfast::plan {
namespace {

constexpr std::uint64_t mib = 1 << 20;

TEST(Fitting, AnArenaThatHasToGrowGetsAnEighthMore) {
  EXPECT_EQ(demand_of(64 * mib + 8, 64 * mib, 0).roomy, 72 * mib + (64 << 10));
  EXPECT_EQ(demand_of(64 * mib, 0, 0).roomy, 64 * mib) << "the first one has grown from nothing";
  EXPECT_EQ(demand_of(64 * mib, 70 * mib, 0).roomy, 70 * mib) << "it holds the save as it is";
}

TEST(Fitting, TwoArenasOrOneOrWaves) {
  const Demand node{.exact = 100};
  EXPECT_EQ(arenas_that_fit(node, 200), 2);
  EXPECT_EQ(arenas_that_fit(node, 199), 1);
  EXPECT_EQ(arenas_that_fit(node, 100), 1);
  EXPECT_EQ(arenas_that_fit(node, 99), 0);
  EXPECT_EQ(arenas_that_fit({}, 0), 2) << "nothing fits anywhere";
}

TEST(Fitting, HeadRoomIsNotGivenAtThePriceOfTheSecondArena) {
  const Demand node{.exact = 100, .kept = 100, .roomy = 120, .other = 90, .other_kept = 100};
  EXPECT_EQ(fit(node, 220, 2, false).size, ArenaSize::roomy);
  EXPECT_EQ(fit(node, 219, 2, false).size, ArenaSize::kept);
  EXPECT_FALSE(fit(node, 219, 2, false).close_other);
  EXPECT_EQ(fit(node, 120, 1, false).size, ArenaSize::roomy);
  EXPECT_EQ(fit(node, 119, 1, false).size, ArenaSize::kept);
}

TEST(Fitting, WhereOneArenaIsUsedTheOtherIsGivenBack) {
  const Demand node{.exact = 100, .kept = 100, .roomy = 100, .other = 40, .other_kept = 100};
  EXPECT_TRUE(fit(node, 150, 1, false).close_other);
  EXPECT_FALSE(fit(node, 150, 1, true).close_other);
  EXPECT_FALSE(fit(node, 150, 1, true).other_in_the_way);
  EXPECT_TRUE(fit(node, 139, 1, true).other_in_the_way);
  EXPECT_TRUE(fit(node, 90, 0, true).other_in_the_way) << "waves take all that there is";
  EXPECT_TRUE(fit(node, 90, 0, false).close_other);
}

/// One rank's part has grown, another one's has shrunk: what was larger must go, or both arenas would be half as large
/// again.
TEST(Fitting, LargerArenasGoWhereTheyAreTooMuch) {
  const Demand node{.exact = 120, .kept = 200, .roomy = 220, .other = 120, .other_kept = 200};
  EXPECT_EQ(fit(node, 420, 2, false).size, ArenaSize::roomy);
  EXPECT_EQ(fit(node, 400, 2, false).size, ArenaSize::kept);
  const Fitting trimmed = fit(node, 330, 2, false);
  EXPECT_EQ(trimmed.size, ArenaSize::exact);
  EXPECT_FALSE(trimmed.close_other) << "it can stay until its turn";
  EXPECT_TRUE(fit(node, 250, 2, false).close_other);
  EXPECT_FALSE(fit(node, 250, 2, true).other_in_the_way);
  EXPECT_TRUE(
      fit({.exact = 120, .kept = 120, .roomy = 120, .other = 140, .other_kept = 140}, 250, 2, true).other_in_the_way);
}

}  // namespace
}  // namespace holdfast::plan
