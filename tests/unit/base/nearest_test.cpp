#include "base/nearest.hpp"

#include <gtest/gtest.h>

#include <array>

namespace holdfast {
namespace {

constexpr std::array<std::string_view, 5> names = {"model/weight", "model/bias", "optimizer/weight", "step", "a"};

TEST(Nearest, FindsTheNameThatIsMeant) {
  EXPECT_EQ(nearest("model/wieght", names), "model/weight");
  EXPECT_EQ(nearest("model/weights", names), "model/weight");
  EXPECT_EQ(nearest("odel/bias", names), "model/bias");
  EXPECT_EQ(nearest("optim/weight", names), "optimizer/weight");
  EXPECT_EQ(nearest("steps", names), "step");
  EXPECT_EQ(nearest("step", names), "step");
}

TEST(Nearest, SaysNothingWhereNothingIsNear) {
  EXPECT_EQ(nearest("learning_rate", names), std::nullopt);
  EXPECT_EQ(nearest("b", names), std::nullopt);
  EXPECT_EQ(nearest("", names), std::nullopt);
  EXPECT_EQ(nearest("a", {}), std::nullopt);
}

TEST(Nearest, TheFirstOfSeveralThatAreAsNear) {
  EXPECT_EQ(nearest("layer3/w", std::array<std::string_view, 2>{"layer1/w", "layer2/w"}), "layer1/w");
}

}  // namespace
}  // namespace holdfast
