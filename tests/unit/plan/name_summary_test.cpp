#include "plan/name_summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "unit/plan/items.hpp"

namespace holdfast::plan {
namespace {

using test::per_rank;
using test::tensor;

int to_the_only_rank(int) {
  return 0;
}

NameSummary count(std::uint64_t key, std::uint64_t count) {
  return {.key = key, .definition = 2, .cover = {}, .wanted = {}, .count = count, .ranks = 1};
}

TEST(NameSummary, CountsComeBackInTheOrderOfRanks) {
  SummaryHop first({{count(5, 10), count(3, 1)}, {count(5, 20)}}), second({{count(3, 4)}, {count(3, 0), count(5, 7)}});
  const auto from_first = first.forward(1, 1, to_the_only_rank), from_second = second.forward(1, 1, to_the_only_rank);
  SummaryHop last({from_first[0], from_second[0]});
  EXPECT_EQ(last.conflict(), std::nullopt);
  last.answer();
  const auto answers = last.answers();
  first.receive({answers[0]});
  second.receive({answers[1]});
  using Answers = std::vector<std::vector<CountAnswer>>;
  EXPECT_EQ(first.answers(), (Answers{{{0, 0, 37}, {0, 0, 5}}, {{10, 1, 37}}}));
  EXPECT_EQ(second.answers(), (Answers{{{1, 1, 5}}, {{5, 2, 5}, {30, 2, 37}}}));
}

TEST(NameSummary, GoesWhereItsKeySays) {
  SummaryHop stop({{count(7, 1), count(12, 1), count(2, 1)}});
  const auto out = stop.forward(10, 5, [](int rank) { return rank % 5; });
  ASSERT_EQ(out.size(), 5U);
  ASSERT_EQ(out[2].size(), 3U) << "7 mod 10 mod 5, and 2 mod 10 mod 5 twice";
  EXPECT_EQ(out[2][0].key, 7U);
  EXPECT_EQ(out[2][1].key, 12U);
  EXPECT_EQ(out[2][2].key, 2U);
}

TEST(NameSummary, ADisagreementIsNotForgottenOnTheWay) {
  NameSummary other = count(5, 1);
  other.definition = 7;
  SummaryHop first({{count(5, 1)}, {other}, {count(5, 1)}});
  const auto sent = first.forward(1, 1, to_the_only_rank);
  EXPECT_EQ(SummaryHop({{count(4, 1)}, sent[0], {count(5, 1)}}).conflict(), 5U);
  EXPECT_EQ(SummaryHop({{other}, sent[0]}).conflict(), 5U);
}

TEST(NameSummary, TheLeastConflictIsTold) {
  NameSummary hole = summary_of(tensor(0, "w", {4}, {{0}, {3}}).part), disagreement = count(9, 1);
  hole.key = 3;
  disagreement.definition = 7;
  EXPECT_EQ(SummaryHop({{count(9, 1), count(1, 2)}, {disagreement}, {hole}}).conflict(), 3U);
}

TEST(NameSummary, OfGroupsAgreesWithGroupsOnly) {
  const NameSummary group = summary_of_group("model");
  EXPECT_EQ(SummaryHop({{group}, {group}}).conflict(), std::nullopt);
  EXPECT_EQ(SummaryHop({{group}, {summary_of(tensor(0, "model", {}, {}).part)}}).conflict(), group.key);
  EXPECT_EQ(SummaryHop({{summary_of(per_rank(0, "model", {2}).part)}, {group}}).conflict(), group.key);
}

TEST(NameSummary, OfEachThingThatRanksMustAgreeOn) {
  const Item item = test::value(0, "w", {3}, 5).part;
  EXPECT_EQ(summary_of(item), summary_of(Item(item)));
  for (const auto& change : std::vector<void (*)(Item&)>{
           [](Item& other) { other.kind = DatasetKind::string; }, [](Item& other) { other.dtype = DType::i8; },
           [](Item& other) { other.global = {4}; }, [](Item& other) { other.content = 6; }}) {
    Item other = item;
    change(other);
    EXPECT_NE(summary_of(other).definition, summary_of(item).definition);
    EXPECT_EQ(summary_of(other).key, summary_of(item).key);
  }
  EXPECT_NE(summary_of(per_rank(0, "w", {}).part).definition, summary_of(per_rank(0, "w", {1}).part).definition);
}

TEST(NameSummary, GroupsOfNames) {
  const std::vector<Item> items = {tensor(0, "a/b/c", {}, {}).part, tensor(0, "a/b/d", {}, {}).part,
                                   tensor(0, "e", {}, {}).part, tensor(0, "a2/x", {}, {}).part};
  EXPECT_THAT(groups_of(items), testing::UnorderedElementsAre("a", "a/b", "a2"));
}

}  // namespace
}  // namespace holdfast::plan
