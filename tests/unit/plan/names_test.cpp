#include "plan/names.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/error.hpp>

namespace holdfast::plan {
namespace {

Dataset named(std::string name) {
  return {.name = std::move(name), .kind = DatasetKind::value, .dtype = DType::f64, .global = {}};
}

TEST(Names, FindEachDatasetAndNothingElse) {
  std::vector<Dataset> datasets;
  for (int i = 0; i < 1000; ++i) datasets.push_back(named("layer" + std::to_string(i)));
  const Names names(datasets);
  for (std::uint32_t i = 0; i < datasets.size(); ++i) EXPECT_EQ(names.find(datasets[i].name), i);
  for (const char* absent : {"", "layer", "layer1000", "layer01"})
    EXPECT_EQ(names.find(absent), std::nullopt) << absent;
  EXPECT_EQ(Names({}).find("layer"), std::nullopt);
}

TEST(Names, ANameThatStandsTwiceIsACorruptFile) {
  const std::vector<Dataset> datasets = {named("a"), named("b"), named("a")};
  try {
    const Names names(datasets);
    ADD_FAILURE() << "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_THAT(error.message(), testing::HasSubstr("the name a stands twice"));
  }
}

}  // namespace
}  // namespace holdfast::plan
