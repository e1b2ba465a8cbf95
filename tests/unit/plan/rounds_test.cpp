#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "unit/plan/items.hpp"
#include "unit/tensor/random_boxes.hpp"

namespace holdfast::plan {
namespace {

using holdfast::test::random_box;
using holdfast::test::random_shape;
using holdfast::test::random_sharding;
using test::group;
using test::merge;
using test::Merged;
using test::per_rank;
using test::tensor;
using test::value;
using Holders = std::vector<Holder>;

TEST(Rounds, OfNothing) {
  const Merged merged = merge({});
  EXPECT_TRUE(merged.datasets.empty());
  EXPECT_TRUE(merged.shares.empty());
}

TEST(Rounds, IdenticalBoxesAreReplicas) {
  const Merged merged =
      merge({tensor(2, "w", {4}, {{2}, {2}}), tensor(0, "w", {4}, {{0}, {2}}), tensor(1, "w", {4}, {{2}, {2}})});
  ASSERT_EQ(merged.datasets, (std::vector<Dataset>{{"w", DatasetKind::tensor, DType::f32, {4}}}));
  ASSERT_EQ(merged.shares.size(), 2U);
  EXPECT_EQ(merged.shares[0].box, (Box{{0}, {2}}));
  EXPECT_EQ(merged.shares[0].holders, (Holders{{0, 0}}));
  EXPECT_EQ(merged.shares[0].bytes, 8U);
  EXPECT_EQ(merged.shares[1].holders, (Holders{{1, 0}, {2, 0}}));
}

TEST(Rounds, ScalarsAndShapesWithoutElements) {
  const Merged merged =
      merge({tensor(0, "s", {}, {}), tensor(1, "s", {}, {}), tensor(0, "z", {3, 0}, {{0, 0}, {3, 0}})});
  ASSERT_EQ(merged.datasets.size(), 2U);
  ASSERT_EQ(merged.shares.size(), 1U);
  EXPECT_EQ(merged.shares[0].bytes, 4U);
  EXPECT_EQ(merged.shares[0].holders.size(), 2U);
  EXPECT_EQ(merged.datasets[1].global, (Shape{3, 0}));
}

TEST(Rounds, ValuesHaveOneShareOfAllRanks) {
  const Merged merged =
      merge({value(1, "epoch", {}, 9), value(0, "epoch", {}, 9), value(0, "note", {0}, 1, DatasetKind::string)});
  ASSERT_EQ(merged.datasets.size(), 2U);
  EXPECT_EQ(merged.datasets[1].kind, DatasetKind::string);
  ASSERT_EQ(merged.shares.size(), 1U) << "an empty string has no bytes to save";
  EXPECT_EQ(merged.shares[0].holders, (Holders{{0, 0}, {1, 0}}));
}

TEST(Rounds, PerRankValuesLieInRankOrder) {
  const Merged merged = merge({per_rank(3, "rng", {4}), per_rank(1, "rng", {0}), per_rank(0, "rng", {2})});
  ASSERT_EQ(merged.datasets, (std::vector<Dataset>{{"rng", DatasetKind::per_rank, DType::u8, {6}}}));
  ASSERT_EQ(merged.shares.size(), 3U) << "an empty value is there, too";
  EXPECT_EQ(merged.shares[0].box, (Box{{0}, {2}}));
  EXPECT_EQ(merged.shares[1].box, (Box{{2}, {0}}));
  EXPECT_EQ(merged.shares[2].box, (Box{{2}, {4}}));
  EXPECT_EQ(merged.shares[2].holders, (Holders{{3, 0}}));
}

TEST(Rounds, PerRankNumbersMakeAVector) {
  const Merged merged = merge({per_rank(1, "seed", {}), per_rank(0, "seed", {})});
  EXPECT_EQ(merged.datasets[0].global, Shape{2});
  EXPECT_EQ(merged.shares[1].box, (Box{{1}, {1}}));
}

TEST(Rounds, GroupsAloneMakeNoDataset) {
  const Merged merged = merge({group(0, "model"), group(1, "model"), tensor(0, "model2", {1}, {{0}, {1}})});
  ASSERT_EQ(merged.datasets.size(), 1U);
  EXPECT_EQ(merged.datasets[0].name, "model2");
}

std::vector<RankItem> random_items(std::mt19937& random, const Shape& global, int ranks) {
  std::vector<RankItem> items;
  for (const Box& box : random_sharding(random, global, ranks))
    items.push_back(tensor(static_cast<int>(items.size()), "w", global, box));
  return items;
}

bool merges(const std::vector<RankItem>& items) {
  try {
    (void)merge(items);
    return true;
  } catch (const Error&) {
    return false;
  }
}

TEST(RoundsProperty, AnyShardingIsTakenWithAllItsHolders) {
  std::mt19937 random(31);
  for (int repeat = 0; repeat < 500; ++repeat) {
    std::vector<RankItem> items = random_items(random, random_shape(random, 4, 7), 1 + static_cast<int>(random() % 6));
    std::map<Box, Holders> expected;
    for (const RankItem& item : items)
      if (!empty(item.part.box)) expected[item.part.box].push_back({item.rank, 0});
    std::shuffle(items.begin(), items.end(), random);
    const Merged merged = merge(items);
    std::map<Box, Holders> found;
    for (const Share& share : merged.shares) found[share.box] = share.holders;
    EXPECT_EQ(found, expected);
  }
}

TEST(RoundsProperty, AMissingOrGrownBoxIsNotTaken) {
  std::mt19937 random(32);
  for (int repeat = 0; repeat < 500; ++repeat) {
    const Shape global = random_shape(random, 4, 7);
    std::vector<RankItem> items = random_items(random, global, 4);
    const Box victim =
        std::find_if(items.begin(), items.end(), [](const RankItem& item) { return !empty(item.part.box); })->part.box;
    std::vector<RankItem> without = items;
    std::erase_if(without, [&](const RankItem& item) { return item.part.box == victim; });
    without.push_back(tensor(9, "w", global, {Shape(global.size(), 0), Shape(global.size(), 0)}));
    if (!global.empty()) {
      EXPECT_FALSE(merges(without));
    }
    const Box another = random_box(random, global);
    const bool known =
        std::any_of(items.begin(), items.end(), [&](const RankItem& item) { return item.part.box == another; });
    items.push_back(tensor(9, "w", global, another));
    EXPECT_EQ(merges(items), known) << to_string(another);
  }
}

}  // namespace
}  // namespace holdfast::plan
