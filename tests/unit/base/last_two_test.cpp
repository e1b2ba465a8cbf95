#include "base/last_two.hpp"

#include <gtest/gtest.h>

#include <string>

namespace holdfast {
namespace {

TEST(LastTwo, WhatWasNotUsedForLongerGoes) {
  LastTwo<std::string> kept;
  EXPECT_EQ(kept.find(1), nullptr);
  EXPECT_EQ(kept.put(1, "one"), "one");
  EXPECT_EQ(kept.put(2, "two"), "two");
  EXPECT_EQ(*kept.find(1), "one");
  kept.put(3, "three");
  EXPECT_EQ(kept.find(2), nullptr);
  EXPECT_EQ(*kept.find(1), "one");
  EXPECT_EQ(*kept.find(3), "three");
}

TEST(LastTwo, NothingIsNumber0) {
  LastTwo<std::string> kept;
  EXPECT_EQ(kept.find(0), nullptr);
  kept.put(0, "nothing");
  EXPECT_EQ(kept.find(0), nullptr);
}

}  // namespace
}  // namespace holdfast
