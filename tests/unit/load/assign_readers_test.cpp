#include "load/assign_readers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace holdfast::load {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t MiB = 1 << 20;

ChunkRequest columns(std::uint64_t row, std::uint64_t bytes = 64, std::uint64_t address = 0) {
  return {.row = row, .address = address, .bytes = bytes, .parts = {{{0, row}, {4, 1}}}};
}
ChunkRequest range(std::uint64_t row, const ByteRange& range) {
  ChunkRequest request = columns(row);
  request.ranges = {range};
  return request;
}
ChunkRequest checked(std::uint64_t row) {
  ChunkRequest request = columns(row);
  request.is_checked = true;
  request.parts = {};
  return request;
}
/// The same request by ranks 0 to `ranks` - 1.
ByRank<std::vector<ChunkRequest>> by_all(int ranks, const ChunkRequest& request) {
  ByRank<std::vector<ChunkRequest>> requests;
  for (int rank = 0; rank < ranks; ++rank) requests[rank] = {request};
  return requests;
}
std::vector<std::int32_t> readers(const ByRank<ReadAssignment>& assignment) {
  return assignment.begin()->second.shared.front().readers;
}

TEST(Arrange, WhatARankChecksNeedsNobody) {
  EXPECT_THAT(assign_readers({{0, {columns(5)}}, {1, {checked(5)}}, {2, {range(5, {0, 32})}}}), IsEmpty());
}

TEST(Arrange, StretchesThatAreTheWholeMakeAChain) {
  const ByRank<ReadAssignment> assignment =
      assign_readers({{0, {range(5, {32, 64})}}, {1, {columns(5)}}, {3, {range(5, {0, 32})}}});
  ASSERT_THAT(assignment, SizeIs(2));
  EXPECT_THAT(assignment.at(3).links, ElementsAre(ChainLink{5, 0, {0, 32}, -1, 0}));
  EXPECT_THAT(assignment.at(0).links, ElementsAre(ChainLink{5, 1, {32, 64}, 3, -1}));
  EXPECT_THAT(assignment.at(0).shared, IsEmpty());
}

TEST(Arrange, OthersAreSharedAndAReaderKnowsWhatAllWant) {
  const ByRank<ReadAssignment> assignment =
      assign_readers({{1, {columns(5)}}, {2, {columns(6)}}, {4, {range(5, {0, 32}), columns(6)}}});
  const RankBox one{1, columns(5).parts[0]}, four{4, columns(5).parts[0]};
  ASSERT_THAT(assignment, SizeIs(3));
  EXPECT_THAT(assignment.at(1).shared, ElementsAre(SharedRead{5, {1}, {one, four}}));
  EXPECT_THAT(assignment.at(4).shared,
              ElementsAre(SharedRead{5, {1}, {four}}, SharedRead{6, {2}, {{4, columns(6).parts[0]}}}));
  EXPECT_THAT(assignment.at(2).links, IsEmpty());
}

TEST(Arrange, ARankMayWantSeveralBoxesOfAChunk) {
  ChunkRequest two = columns(5, 1000 * MiB);
  two.parts.push_back({{0, 7}, {4, 1}});
  const ByRank<ReadAssignment> assignment = assign_readers({{0, {two}}, {1, {columns(5, 1000 * MiB)}}});
  const RankBox first{0, two.parts[0]}, second{0, two.parts[1]}, other{1, two.parts[0]};
  EXPECT_THAT(readers(assignment), ElementsAre(0, 1));
  EXPECT_THAT(assignment.at(0).shared, ElementsAre(SharedRead{5, {0, 1}, {first, second, other}}));
  two.bytes = 64;  // one reader
  EXPECT_THAT(assign_readers({{0, {columns(5)}}, {1, {two}}}).at(1).shared,
              ElementsAre(SharedRead{5, {0}, {{1, two.parts[0]}, {1, two.parts[1]}}}));
}

TEST(Arrange, AChainMayHaveSeveralLinksOfARank) {
  ChunkRequest outer = range(5, {0, 16});
  outer.ranges.push_back({48, 64});
  const ByRank<ReadAssignment> assignment = assign_readers({{0, {outer}}, {1, {range(5, {16, 48})}}});
  EXPECT_THAT(assignment.at(0).links, ElementsAre(ChainLink{5, 0, {0, 16}, -1, 1}, ChainLink{5, 2, {48, 64}, 1, -1}));
  EXPECT_THAT(assignment.at(1).links, ElementsAre(ChainLink{5, 1, {16, 48}, 0, 0}));
}

TEST(Arrange, ALargeChunkHasSeveralReadersEachOfItsOwn) {
  EXPECT_THAT(readers(assign_readers(by_all(5, columns(0, 127 * MiB)))), SizeIs(1));
  EXPECT_THAT(readers(assign_readers(by_all(5, columns(0, 128 * MiB, 4 * 64 * MiB)))), ElementsAre(4, 0));
  EXPECT_THAT(readers(assign_readers(by_all(2, columns(0, 10000 * MiB)))), ElementsAre(0, 1));
  const std::vector<std::int32_t> many = readers(assign_readers(by_all(100, columns(0, 10000 * MiB))));
  EXPECT_EQ(std::set(many.begin(), many.end()).size(), 16U);
  EXPECT_THAT(many, SizeIs(16));
}

TEST(Arrange, NeighboursInTheFileHaveTheSameReaderAndAllRanksGetTheirShare) {
  std::map<int, int> chunks_of;
  int changes = 0, last = 0;
  for (std::uint64_t chunk = 0; chunk < 4 * 64 * 16; ++chunk) {
    const int reader = readers(assign_readers(by_all(4, columns(chunk, MiB, chunk * MiB)))).front();
    ++chunks_of[reader];
    changes += reader != last;
    last = reader;
  }
  EXPECT_THAT(chunks_of, ElementsAre(std::pair(0, 1024), std::pair(1, 1024), std::pair(2, 1024), std::pair(3, 1024)));
  EXPECT_EQ(changes, 63);
}

}  // namespace
}  // namespace holdfast::load
