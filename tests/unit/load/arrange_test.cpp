#include "load/arrange.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace holdfast::load {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t MiB = 1 << 20;

Offer columns(std::uint64_t row, std::uint64_t bytes = 64, std::uint64_t address = 0) {
  return {.row = row, .address = address, .bytes = bytes, .part = {{0, row}, {4, 1}}};
}
Offer stretch(std::uint64_t row, const Stretch& stretch) {
  Offer offer = columns(row);
  offer.stretch = stretch;
  return offer;
}
Offer checked(std::uint64_t row) {
  Offer offer = columns(row);
  offer.is_checked = true;
  return offer;
}
/// The same offer by ranks 0 to `ranks` - 1.
ByRank<std::vector<Offer>> by_all(int ranks, const Offer& offer) {
  ByRank<std::vector<Offer>> offers;
  for (int rank = 0; rank < ranks; ++rank) offers[rank] = {offer};
  return offers;
}
std::vector<std::int32_t> readers(const ByRank<Orders>& orders) {
  return orders.begin()->second.shared.front().readers;
}

TEST(Arrange, WhatARankChecksNeedsNobody) {
  EXPECT_THAT(arrange({{0, {columns(5)}}, {1, {checked(5)}}, {2, {stretch(5, {0, 32})}}}), IsEmpty());
}

TEST(Arrange, StretchesThatAreTheWholeMakeAChain) {
  const ByRank<Orders> orders = arrange({{0, {stretch(5, {32, 64})}}, {1, {columns(5)}}, {3, {stretch(5, {0, 32})}}});
  ASSERT_THAT(orders, SizeIs(2));
  EXPECT_THAT(orders.at(3).links, ElementsAre(Link{5, 0, {0, 32}, -1, 0}));
  EXPECT_THAT(orders.at(0).links, ElementsAre(Link{5, 1, {32, 64}, 3, -1}));
  EXPECT_THAT(orders.at(0).shared, IsEmpty());
}

TEST(Arrange, OthersAreSharedAndAReaderKnowsWhatAllWant) {
  const ByRank<Orders> orders = arrange({{1, {columns(5)}}, {2, {columns(6)}}, {4, {stretch(5, {0, 32}), columns(6)}}});
  const Want one{1, columns(5).part}, four{4, columns(5).part};
  ASSERT_THAT(orders, SizeIs(3));
  EXPECT_THAT(orders.at(1).shared, ElementsAre(Shared{5, {1}, {one, four}}));
  EXPECT_THAT(orders.at(4).shared, ElementsAre(Shared{5, {1}, {four}}, Shared{6, {2}, {{4, columns(6).part}}}));
  EXPECT_THAT(orders.at(2).links, IsEmpty());
}

TEST(Arrange, ALargeChunkHasSeveralReadersEachOfItsOwn) {
  EXPECT_THAT(readers(arrange(by_all(5, columns(0, 127 * MiB)))), SizeIs(1));
  EXPECT_THAT(readers(arrange(by_all(5, columns(0, 128 * MiB, 4 * 64 * MiB)))), ElementsAre(4, 0));
  EXPECT_THAT(readers(arrange(by_all(2, columns(0, 10000 * MiB)))), ElementsAre(0, 1));
  const std::vector<std::int32_t> many = readers(arrange(by_all(100, columns(0, 10000 * MiB))));
  EXPECT_EQ(std::set(many.begin(), many.end()).size(), 16U);
  EXPECT_THAT(many, SizeIs(16));
}

TEST(Arrange, NeighboursInTheFileHaveTheSameReaderAndAllRanksGetTheirShare) {
  std::map<int, int> chunks_of;
  int changes = 0, last = 0;
  for (std::uint64_t chunk = 0; chunk < 4 * 64 * 16; ++chunk) {
    const int reader = readers(arrange(by_all(4, columns(chunk, MiB, chunk * MiB)))).front();
    ++chunks_of[reader];
    changes += reader != last;
    last = reader;
  }
  EXPECT_THAT(chunks_of, ElementsAre(std::pair(0, 1024), std::pair(1, 1024), std::pair(2, 1024), std::pair(3, 1024)));
  EXPECT_EQ(changes, 63);
}

}  // namespace
}  // namespace holdfast::load
