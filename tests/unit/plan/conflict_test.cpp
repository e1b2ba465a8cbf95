#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/items.hpp"

namespace holdfast::plan {
namespace {

using test::group;
using test::merge;
using test::per_rank;
using test::tensor;
using test::value;

/// The sentence of the conflict that merging meets; also checks that code and tensor are right.
std::string sentence_of(std::vector<RankItem> items) {
  const std::string name = items.front().part.name;
  try {
    (void)merge(items);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::plan_conflict);
    EXPECT_EQ(error.context().tensor, name);
    return error.message();
  }
  return "no conflict";
}

TEST(Conflict, DTypes) {
  EXPECT_EQ(sentence_of({tensor(0, "w", {4}, {{0}, {2}}, DType::f32), tensor(2, "w", {4}, {{2}, {2}}, DType::f64)}),
            "the dtype is f32 on rank 0 and f64 on rank 2");
}

TEST(Conflict, GlobalShapes) {
  EXPECT_EQ(sentence_of({tensor(1, "w", {4, 5}, {{0, 0}, {2, 5}}), tensor(0, "w", {4, 4}, {{2, 0}, {2, 4}})}),
            "the global shape is (4, 4) on rank 0 and (4, 5) on rank 1");
}

TEST(Conflict, Kinds) {
  EXPECT_EQ(sentence_of({tensor(0, "w", {}, {}), value(3, "w", {}, 0)}),
            "it is a tensor on rank 0 and a value on rank 3");
  EXPECT_EQ(sentence_of({value(0, "w", {3}, 0), value(1, "w", {3}, 0, DatasetKind::string)}),
            "it is a value on rank 0 and a string on rank 1");
  EXPECT_EQ(sentence_of({per_rank(0, "w", {3}), per_rank(1, "w", {3}, DatasetKind::per_rank_string)}),
            "it is a per-rank value on rank 0 and a per-rank string on rank 1");
}

TEST(Conflict, Values) {
  EXPECT_EQ(sentence_of({value(0, "lr", {}, 5), value(1, "lr", {}, 5), value(2, "lr", {}, 6)}),
            "the value must be the same on all ranks, but it is 5 on rank 0 and 6 on rank 2; StateDict::add_per_rank() "
            "takes a "
            "value that is each rank's own");
  EXPECT_THAT(sentence_of({value(0, "s", {2}, 'a', DatasetKind::string), value(1, "s", {2}, 'b', DatasetKind::string)}),
              testing::HasSubstr("it is \"aa\" on rank 0 and \"bb\" on rank 1"));
  EXPECT_EQ(sentence_of({value(0, "lr", {3}, 5), value(1, "lr", {4}, 6)}),
            "the value's shape is (3) on rank 0 and (4) on rank 1");
}

TEST(Conflict, ValuesThatDifferBehindWhatIsKnownOfThem) {
  RankItem a = value(0, "v", {200}, 7), b = value(1, "v", {200}, 8);
  a.start = b.start = Bytes(most_start_bytes, std::byte{1});
  EXPECT_THAT(sentence_of({a, b}),
              testing::HasSubstr("it differs between rank 0 and rank 1 somewhere behind its beginning, "
                                 "[1, 1, 1, 1, 1, 1, 1, 1, … 200 in all];"));
}

TEST(Conflict, ANumberHereAndAVectorThere) {
  EXPECT_EQ(sentence_of({per_rank(0, "seed", {}), per_rank(1, "seed", {1})}),
            "the per-rank value is one number on rank 0 and a vector on rank 1");
}

TEST(Conflict, Overlap) {
  EXPECT_EQ(sentence_of({tensor(0, "w", {8}, {{0}, {5}}), tensor(1, "w", {8}, {{4}, {4}})}),
            "an overlap: rank 0 holds [0:5] and rank 1 holds [4:8], both have [4:5]");
}

TEST(Conflict, OverlapOfAReplicaAndAPart) {
  EXPECT_EQ(
      sentence_of({tensor(0, "w", {4}, {{0}, {4}}), tensor(1, "w", {4}, {{0}, {4}}), tensor(2, "w", {4}, {{1}, {2}})}),
      "an overlap: rank 0 holds [0:4] and rank 2 holds [1:3], both have [1:3]");
}

TEST(Conflict, Hole) {
  EXPECT_EQ(sentence_of({tensor(0, "w", {8, 2}, {{0, 0}, {3, 2}}), tensor(1, "w", {8, 2}, {{5, 0}, {3, 2}})}),
            "a hole: nobody holds [3:5, 0:2] of the global shape (8, 2)");
  EXPECT_EQ(sentence_of({tensor(0, "w", {2, 2}, {{0, 0}, {1, 2}}), tensor(1, "w", {2, 2}, {{1, 0}, {1, 1}})}),
            "a hole: nobody holds [1:2, 1:2] of the global shape (2, 2)");
}

TEST(Conflict, EmptyPartsCoverNothing) {
  EXPECT_EQ(sentence_of({tensor(0, "w", {8}, {{0}, {0}}), tensor(1, "w", {8}, {{8}, {0}})}),
            "a hole: nobody holds [0:8] of the global shape (8)");
}

TEST(Conflict, DatasetAndGroup) {
  EXPECT_EQ(sentence_of({group(1, "model"), tensor(0, "model", {2}, {{0}, {2}})}),
            "the name is a tensor on rank 0 and a group that other names lie in on rank 1");
  EXPECT_EQ(sentence_of({group(0, "a"), per_rank(0, "a", {2})}),
            "the name is a per-rank value on rank 0 and a group that other names lie in on rank 0");
}

TEST(Conflict, AGroupThatATensorOfAnotherRankLiesIn) {
  EXPECT_EQ(sentence_of({tensor(0, "a", {2}, {{0}, {2}}), tensor(4, "a/b/c", {2}, {{0}, {2}})}),
            "the name is a tensor on rank 0 and a group that other names lie in on rank 4");
}

// Two names with the same checksum cannot be had; but this is what would be made of them.
TEST(Conflict, NamesWithTheSameKey) {
  try {
    explain_conflict({tensor(1, "b", {2}, whole({2})), tensor(0, "a", {2}, whole({2}))});
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::plan_conflict);
    EXPECT_EQ(error.context().tensor, "b");
    EXPECT_EQ(error.message(), "the name has the same checksum as \"a\"; one of them has to change");
  }
}

TEST(Conflict, OfOneNameAmongMany) {
  std::vector<RankItem> items{tensor(0, "b", {2}, {{0}, {1}})};
  for (const char* good : {"a", "c", "d"}) items.push_back(tensor(0, good, {2}, {{0}, {2}}));
  EXPECT_THAT(sentence_of(std::move(items)), testing::StartsWith("a hole"));
}

}  // namespace
}  // namespace holdfast::plan
