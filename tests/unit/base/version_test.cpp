#include <gtest/gtest.h>

#include <holdfast/version.hpp>

TEST(Version, IsThatOfTheProject) {
  EXPECT_STREQ(holdfast::version(), PROJECT_VERSION);
}
