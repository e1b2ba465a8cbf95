#include "base/copy_choice.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <thread>
#include <utility>
#include <vector>

namespace holdfast {
namespace {

constexpr std::array ways = {CopyWay::page_avx, CopyWay::page_sse, CopyWay::pages_sse};
constexpr std::size_t mebibyte = 1 << 20;

/// Nanoseconds that a way takes for a block, the how-many-th of this way.
using Cost = std::uint64_t (*)(CopyWay way, int which);

/// Copies so many blocks; how many were timed, by way.
std::map<CopyWay, int> copy(CopyChoice& choice, int blocks, Cost cost, bool* told = nullptr) {
  std::map<CopyWay, int> timed;
  for (int i = 0; i < blocks; ++i) {
    const CopyChoice::Trial turn = choice.next();
    if (!turn.timed) continue;
    const bool said = choice.note(turn, mebibyte, cost(turn.way, timed[turn.way]++));
    if (told != nullptr) *told |= said;
  }
  return timed;
}

std::uint64_t four_pages_are_slow(CopyWay way, int which) {
  return (way == CopyWay::pages_sse ? 400'000u : 80'000u) + static_cast<unsigned>(which) * 500u;
}
std::uint64_t four_pages_are_fast(CopyWay way, int which) {
  return (way == CopyWay::pages_sse ? 70'000u : 90'000u) + static_cast<unsigned>(which) * 500u;
}
std::uint64_t four_pages_are_fast_in_noise(CopyWay way, int which) {
  return four_pages_are_fast(way, 0) + static_cast<unsigned>(which % 4) * 20'000u;
}
/// One block of each way in four is held up, as by another program.
std::uint64_t four_pages_are_fast_and_held_up(CopyWay way, int which) {
  return four_pages_are_fast(way, which) + (which % 4 == 3 ? 3'000'000u : 0u);
}

constexpr int trial = 7 * static_cast<int>(ways.size());

TEST(CopyChoice, TakesTheFirstWayUntilATrialHasEnded) {
  CopyChoice choice(ways);
  EXPECT_EQ(choice.way(), CopyWay::page_avx);
  EXPECT_EQ(choice.in_words(), "page_avx");
  copy(choice, trial - 1, four_pages_are_fast);
  EXPECT_EQ(choice.way(), CopyWay::page_avx);
  EXPECT_FALSE(choice.is_tried());
  copy(choice, 1, four_pages_are_fast);
  EXPECT_EQ(choice.way(), CopyWay::pages_sse);
  EXPECT_TRUE(choice.is_tried());
}

TEST(CopyChoice, TriesEachWayInTurnAndThenCopiesInTheBestOne) {
  CopyChoice choice(ways);
  const auto timed = copy(choice, trial, four_pages_are_fast);
  for (const CopyWay way : ways) EXPECT_EQ(timed.at(way), 7);
  for (int i = 0; i < 100; ++i) {
    const CopyChoice::Trial turn = choice.next();
    EXPECT_FALSE(turn.timed);
    EXPECT_EQ(turn.way, CopyWay::pages_sse);
  }
  EXPECT_EQ(choice.in_words(), "pages_sse of page_avx 11.5 GB/s, page_sse 11.5 GB/s, pages_sse 14.7 GB/s");
}

TEST(CopyChoice, KeepsItsWayWhereAnotherOneIsNotBetterByMoreThanTheTimesDiffer) {
  CopyChoice choice(ways);
  copy(choice, trial, four_pages_are_fast_in_noise);
  EXPECT_TRUE(choice.is_tried());
  EXPECT_EQ(choice.way(), CopyWay::page_avx);
}

TEST(CopyChoice, IsNotMisledByBlocksThatWereHeldUp) {
  CopyChoice choice(ways);
  copy(choice, trial, four_pages_are_fast_and_held_up);
  EXPECT_EQ(choice.way(), CopyWay::pages_sse);
}

TEST(CopyChoice, TriesAgainSoonAndThenSeldom) {
  CopyChoice choice(ways);
  std::vector<int> begun;
  for (int block = 0; block < 3 * 16384; ++block) {
    const CopyChoice::Trial turn = choice.next();
    if (turn.timed && turn.number == 0) begun.push_back(block);
    if (turn.timed) choice.note(turn, mebibyte, four_pages_are_slow(turn.way, 0));
  }
  EXPECT_EQ(begun, (std::vector{0, 1024, 2048, 4096, 8192, 16384, 32768}));
}

TEST(CopyChoice, ChangesWhenALaterTrialSaysSoAndTellsOfIt) {
  CopyChoice choice(ways);
  bool told = false;
  copy(choice, trial, four_pages_are_slow, &told);
  EXPECT_TRUE(std::exchange(told, false)) << "of the first one";
  copy(choice, 1024, four_pages_are_slow, &told);
  EXPECT_FALSE(told) << "of one that changed nothing";
  EXPECT_EQ(choice.way(), CopyWay::page_avx);
  copy(choice, 1024, four_pages_are_fast, &told);
  EXPECT_TRUE(told);
  EXPECT_EQ(choice.way(), CopyWay::pages_sse);
}

TEST(CopyChoice, HasNoTrialsWhereThereIsOneWay) {
  constexpr std::array only = {CopyWay::memcpy};
  CopyChoice choice(only);
  EXPECT_TRUE(copy(choice, 100, four_pages_are_slow).empty());
}

TEST(CopyChoice, IsMadeOnceByThreadsTogether) {
  CopyChoice choice(ways);
  std::atomic<int> told = 0;
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&] {
      for (int i = 0; i < 250; ++i)
        if (const CopyChoice::Trial turn = choice.next(); turn.timed)
          told +=
              choice.note(turn, mebibyte, four_pages_are_fast(turn.way, static_cast<int>(turn.number / ways.size())));
    });
  threads.clear();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(choice.way(), CopyWay::pages_sse);
}

}  // namespace
}  // namespace holdfast
