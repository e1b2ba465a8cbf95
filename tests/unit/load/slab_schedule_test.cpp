#include "load/slab_schedule.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <tuple>

#include "unit/tensor/random_boxes.hpp"

namespace holdfast::load {
namespace {

constexpr int ranks = 5;

/// What every rank knows of a chunk; `wants` are of all.
std::vector<SharedChunk> as_known_to(int rank, std::vector<SharedChunk> chunks) {
  std::erase_if(chunks, [&](SharedChunk& chunk) {
    const auto is_own = [&](const RankBox& want) { return want.rank == rank; };
    const bool is_touched = std::ranges::any_of(chunk.wants, is_own);
    if (std::ranges::find(chunk.readers, rank) == chunk.readers.end())
      std::erase_if(chunk.wants, [&](const RankBox& want) { return !is_own(want); });
    return !is_touched;
  });
  return chunks;
}

std::vector<ScheduledSlab> all(const std::vector<SharedChunk>& chunks, int rank, SlabSchedule::Of which) {
  SlabSchedule turns(chunks, rank, which);
  std::vector<ScheduledSlab> all;
  while (auto turn = turns.next()) all.push_back(*std::move(turn));
  return all;
}

auto order_of(const ScheduledSlab& turn) {
  return std::tuple(turn.place, turn.chunk->address);
}

/// Chunks of random shape at random addresses, of which random ranks want random boxes, and some of these ranks read.
std::vector<SharedChunk> random_chunks(std::mt19937& random) {
  std::vector<SharedChunk> chunks;
  for (std::uint32_t number = 0; number < 1 + random() % 6; ++number) {
    const Shape shape = test::random_shape(random, 3, 6);
    SharedChunk chunk{number, number * 7, (random() % 1000) * 100 + number, Slabs(whole(shape), 4, 1 + random() % 200),
                      {},     {}};
    for (int rank = 0; rank < ranks; ++rank)
      if (random() % 3 != 0 || (rank + 1 == ranks && chunk.wants.empty())) {
        for (auto boxes = 1 + random() % 3; boxes > 0; --boxes)
          chunk.wants.push_back({rank, test::random_box(random, shape)});
        if (chunk.readers.empty() || random() % 2 == 0) chunk.readers.push_back(rank);
      }
    std::ranges::shuffle(chunk.readers, random);
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

/// The reader of a slab sends each rank what that rank waits for, each element of each box that anybody wants goes to
/// him once, and nothing is read twice or by nobody.
TEST(SlabSchedule, BringEveryRankWhatItWants) {
  std::mt19937 random(3);
  for (int repeat = 0; repeat < 300; ++repeat) {
    const std::vector<SharedChunk> chunks = random_chunks(random);
    std::map<std::tuple<std::uint32_t, std::uint64_t, int, std::uint32_t>, Box> sent, awaited;
    std::map<std::uint32_t, std::uint64_t> read;
    std::map<std::pair<std::uint32_t, int>, std::uint64_t> got;
    for (int rank = 0; rank < ranks; ++rank) {
      const std::vector<SharedChunk> known = as_known_to(rank, chunks);
      for (const ScheduledSlab& turn : all(known, rank, SlabSchedule::Of::all)) {
        const std::uint32_t chunk = turn.chunk->number;
        for (const SlabPart& part : turn.parts_of(rank)) {
          awaited.emplace(std::tuple(chunk, turn.place, rank, part.number), part.box);
          got[{chunk, rank}] += volume(part.box.extent);
        }
        if (turn.reader() != rank) continue;
        read[chunk] += turn.slab.bytes;
        for (const SlabPart& part : turn.parts)
          sent.emplace(std::tuple(chunk, turn.place, part.rank, part.number), part.box);
      }
    }
    EXPECT_EQ(sent, awaited);
    for (const SharedChunk& chunk : chunks) {
      const Slab last = chunk.slabs[chunk.slabs.count() - 1];
      EXPECT_EQ(read[chunk.number], last.begin_bytes + last.bytes);
      std::map<int, std::uint64_t> wanted;
      for (const RankBox& want : chunk.wants) wanted[want.rank] += volume(want.box.extent);
      for (const auto& [rank, elements] : wanted) EXPECT_EQ((got[{chunk.number, rank}]), elements);
    }
  }
}

TEST(SlabSchedule, ComeInOneOrderOnAllRanks) {
  std::mt19937 random(4);
  for (int repeat = 0; repeat < 300; ++repeat) {
    const std::vector<SharedChunk> chunks = random_chunks(random);
    for (int rank = 0; rank < ranks; ++rank) {
      const std::vector<SharedChunk> known = as_known_to(rank, chunks);
      const std::vector<ScheduledSlab> turns = all(known, rank, SlabSchedule::Of::all);
      EXPECT_TRUE(std::ranges::is_sorted(turns, {}, order_of));
    }
  }
}

TEST(SlabSchedule, OwnReadsAreThoseOfAllThatTheRankReads) {
  std::mt19937 random(5);
  for (int repeat = 0; repeat < 300; ++repeat) {
    const std::vector<SharedChunk> chunks = as_known_to(2, random_chunks(random));
    std::vector<ScheduledSlab> expected = all(chunks, 2, SlabSchedule::Of::all);
    std::erase_if(expected, [](const ScheduledSlab& turn) { return turn.reader() != 2; });
    const std::vector<ScheduledSlab> own = all(chunks, 2, SlabSchedule::Of::own_reads);
    EXPECT_TRUE(std::ranges::equal(own, expected, {}, order_of, order_of));
  }
}

TEST(SlabSchedule, TheLastOneOfAChunkIsKnown) {
  const std::vector<SharedChunk> chunks = {
      {0, 0, 0, Slabs(whole({10}), 4, 12), {1, 2}, {{1, whole({10})}, {2, whole({10})}}}};
  const std::vector<ScheduledSlab> turns = all(chunks, 1, SlabSchedule::Of::all);
  ASSERT_EQ(turns.size(), 4U);
  for (const ScheduledSlab& turn : turns) {
    EXPECT_EQ(turn.is_last(), turn.place == 3);
    EXPECT_EQ(turn.reader(), turn.place % 2 == 0 ? 1 : 2);
  }
}

}  // namespace
}  // namespace holdfast::load
