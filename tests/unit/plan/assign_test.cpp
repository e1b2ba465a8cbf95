#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "tensor/cover.hpp"
#include "unit/plan/items.hpp"
#include "unit/tensor/random_boxes.hpp"

namespace holdfast::plan {
namespace {

using test::merge;
using test::Merged;
using test::tensor;
constexpr std::uint64_t never_split = ~std::uint64_t{0} / 2;

using Pieces = std::vector<std::vector<Piece>>;

/// assign(), with a list for each rank.
Pieces assigned(const Merged& merged, const std::vector<std::uint64_t>& load, int owner, int owners,
                std::uint64_t split_bytes) {
  Pieces pieces(load.size());
  for (auto& [rank, list] : assign(merged.shares, load, owner, owners, split_bytes)) {
    EXPECT_FALSE(list.empty()) << "only ranks that have any";
    pieces.at(static_cast<std::size_t>(rank)) = std::move(list);
  }
  return pieces;
}

std::vector<std::uint64_t> bytes_per_rank(const Pieces& pieces) {
  std::vector<std::uint64_t> bytes;
  for (const auto& list : pieces) {
    bytes.push_back(0);
    for (const Piece& piece : list) bytes.back() += piece.bytes;
  }
  return bytes;
}

/// Tensors of `bytes` each that all `ranks` hold.
Merged replicas(int ranks, const std::vector<std::uint64_t>& bytes) {
  std::vector<RankItem> items;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (int rank = 0; rank < ranks; ++rank)
      items.push_back(tensor(rank, "t" + std::to_string(i), {bytes[i]}, whole({bytes[i]}), DType::u8));
  return merge(items);
}

TEST(Assign, AShareOfOneHolderIsGiven) {
  const Merged merged = merge({tensor(0, "w", {4}, {{0}, {1}}), tensor(1, "w", {4}, {{1}, {3}})});
  const Pieces pieces = assigned(merged, {1'000'000, 0}, 7, 8, 1);
  ASSERT_EQ(pieces.size(), 2U);
  ASSERT_EQ(pieces[0].size(), 1U);
  EXPECT_EQ(pieces[0][0].dataset, key_of("w"));
  EXPECT_EQ(pieces[0][0].bytes, 4U);
  ASSERT_EQ(pieces[1].size(), 1U);
  EXPECT_EQ(pieces[1][0].box, (Box{{1}, {3}}));
}

TEST(Assign, ReplicasGoWhereThereIsLeast) {
  const Pieces pieces = assigned(replicas(3, {100}), {50, 10, 60}, 0, 1, never_split);
  EXPECT_EQ(bytes_per_rank(pieces), (std::vector<std::uint64_t>{0, 100, 0}));
}

TEST(Assign, LargestFirst) {
  EXPECT_EQ(bytes_per_rank(assigned(replicas(2, {1, 1, 1, 1, 6, 2}), {0, 0}, 0, 1, never_split)),
            (std::vector<std::uint64_t>{6, 6}));
}

TEST(Assign, LargeReplicasAreCutForAllHolders) {
  EXPECT_EQ(bytes_per_rank(assigned(replicas(4, {1000}), {0, 0, 0, 0}, 0, 1, 100)),
            (std::vector<std::uint64_t>(4, 250)));
  EXPECT_EQ(bytes_per_rank(assigned(replicas(4, {1000}), {0, 0, 0, 0}, 0, 1, 500)),
            (std::vector<std::uint64_t>{500, 500, 0, 0}));
  EXPECT_EQ(bytes_per_rank(assigned(replicas(4, {1000}), {0, 0, 0, 0}, 0, 1, 1000)),
            (std::vector<std::uint64_t>{1000, 0, 0, 0}));
}

TEST(Assign, OwnersThatAssignAtOnceDoNotPileUp) {
  std::vector<std::uint64_t> sum(8);
  for (int owner = 0; owner < 8; ++owner) {
    const auto bytes =
        bytes_per_rank(assigned(replicas(8, {10, 10}), std::vector<std::uint64_t>(8), owner, 8, never_split));
    for (std::size_t rank = 0; rank < sum.size(); ++rank) sum[rank] += bytes[rank];
  }
  EXPECT_EQ(sum, std::vector<std::uint64_t>(8, 20));
}

TEST(Assign, OnlyHoldersAreAsked) {
  const Pieces pieces = assigned(merge({tensor(1, "w", {4}, whole({4})), tensor(3, "w", {4}, whole({4}))}),
                                 {0, 90, 0, 80}, 0, 1, never_split);
  EXPECT_EQ(bytes_per_rank(pieces), (std::vector<std::uint64_t>{0, 0, 0, 16}));
}

/// Every element of every dataset once, and each piece inside what its rank holds.
void check_complete(const Merged& merged, const Pieces& pieces, const std::vector<RankItem>& items) {
  for (const Dataset& dataset : merged.datasets) {
    std::vector<Box> boxes;
    for (std::size_t rank = 0; rank < pieces.size(); ++rank)
      for (const Piece& piece : pieces[rank]) {
        if (piece.dataset != key_of(dataset.name)) continue;
        boxes.push_back(piece.box);
        const auto held = std::find_if(items.begin(), items.end(), [&](const RankItem& item) {
          return item.rank == static_cast<int>(rank) && item.part.name == dataset.name;
        });
        EXPECT_EQ(intersect(held->part.box, piece.box), piece.box);
        EXPECT_EQ(piece.bytes, volume(piece.box.extent) * size_of(held->part.dtype));
      }
    EXPECT_FALSE(find_overlap(boxes));
    EXPECT_FALSE(find_hole(dataset.global, boxes));
  }
}

TEST(AssignProperty, EveryElementIsSavedOnceByAHolder) {
  std::mt19937 random(41);
  for (int repeat = 0; repeat < 300; ++repeat) {
    const int ranks = 1 + static_cast<int>(random() % 5);
    std::vector<RankItem> items;
    for (const char* name : {"a", "b", "c"}) {
      const Shape global = holdfast::test::random_shape(random, 3, 9);
      int rank = 0;
      for (const Box& box : holdfast::test::random_sharding(random, global, ranks))
        items.push_back(tensor(rank++, name, global, box));
    }
    const Merged merged = merge(items);
    check_complete(
        merged, assigned(merged, std::vector<std::uint64_t>(static_cast<std::size_t>(ranks)), 0, 1, 1 + random() % 64),
        items);
  }
}

TEST(Place, InTheOrderOfItemsOnAlignedOffsets) {
  std::vector<Piece> pieces{
      {{}, 2, {{0}, {1}}, 0, 1}, {{}, 0, {{5}, {1}}, 0, 65}, {{}, 0, {{0}, {5}}, 0, 64}, {{}, 1, {{0}, {0}}, 0, 0}};
  EXPECT_EQ(place(pieces), 256U);
  ASSERT_EQ(pieces.size(), 4U);
  EXPECT_EQ(pieces[0].box, (Box{{0}, {5}}));
  EXPECT_EQ(pieces[0].arena_offset, 0U);
  EXPECT_EQ(pieces[1].arena_offset, 64U);
  EXPECT_EQ(pieces[2].item, 1U);
  EXPECT_EQ(pieces[2].arena_offset, 192U);
  EXPECT_EQ(pieces[3].arena_offset, 192U);
  std::vector<Piece> none;
  EXPECT_EQ(place(none), 0U);
}

TEST(Place, LargePiecesBeginAtPages) {
  constexpr std::uint64_t large = 64 << 10;
  std::vector<Piece> pieces{
      {{}, 0, {{0}, {1}}, 0, 10}, {{}, 1, {{0}, {large}}, 0, large}, {{}, 2, {{0}, {1}}, 0, large - 1}};
  EXPECT_EQ(place(pieces), 4096 + 2 * large);
  EXPECT_EQ(pieces[1].arena_offset, 4096U);
  EXPECT_EQ(pieces[2].arena_offset, 4096 + large);
}

}  // namespace
}  // namespace holdfast::plan
