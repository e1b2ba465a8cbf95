#include "plan/replicas.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/checksum.hpp"
#include "unit/plan/items.hpp"

namespace holdfast::plan {
namespace {

Item part(std::string name, Box box) {
  return test::tensor(0, std::move(name), {100}, std::move(box)).part;
}

/// What a rank has that many others have, too: the same item in another place of its list.
std::vector<Item> items_of(int rank) {
  std::vector<Item> items;
  for (int i = 0; i < rank % 3; ++i)
    items.push_back(part("own/" + std::to_string(rank), {{static_cast<std::uint64_t>(i)}, {1}}));
  items.push_back(part("everybody's", whole({100})));
  items.push_back(part("every fourth's", {{static_cast<std::uint64_t>(rank % 4)}, {10}}));
  return items;
}

using Found = std::map<std::pair<std::string, Box>, std::vector<Holder>>;

Found found_in(const std::vector<HeldItem>& held) {
  Found found;
  for (const auto& [item, holders] : held)
    EXPECT_TRUE(found.emplace(std::pair(item.name, item.box), holders).second) << item.name << " is there twice";
  return found;
}

// As a grid of 3 x 4 x 5 ranks carries them: at each hop, from the ranks of a line in their order.
TEST(Replicas, MeetWhereverTheyComeFrom) {
  const std::vector<int> sides = {3, 4, 5};
  constexpr int ranks = 60;
  std::vector<std::vector<Bytes>> at(ranks);
  Found expected;
  for (int rank = 0; rank < ranks; ++rank) {
    const std::vector<Item> items = items_of(rank);
    at[static_cast<std::size_t>(rank)] = {pack_items(items, rank)};
    for (std::uint32_t i = 0; i < items.size(); ++i) expected[{items[i].name, items[i].box}].push_back({rank, i});
  }
  int stride = 1;
  for (const int side : sides) {
    std::vector<std::vector<Bytes>> next(ranks, std::vector<Bytes>(static_cast<std::size_t>(side)));
    for (int rank = 0; rank < ranks; ++rank) {
      const auto sent =
          unite(at[static_cast<std::size_t>(rank)], ranks, side, [&](int to) { return to / stride % side; });
      const int place = rank / stride % side;
      for (int to = 0; to < side; ++to)
        next[static_cast<std::size_t>(rank + (to - place) * stride)][static_cast<std::size_t>(place)] =
            sent[static_cast<std::size_t>(to)];
    }
    at = std::move(next);
    stride *= side;
  }
  Found found;
  for (int rank = 0; rank < ranks; ++rank) {
    const auto held = unpack_items(unite(at[static_cast<std::size_t>(rank)], ranks, 1, [](int) { return 0; }).front());
    for (const HeldItem& one : held)
      EXPECT_EQ(checksum(encode(one.item)) % ranks, static_cast<std::uint64_t>(rank)) << "where its bytes say";
    found.merge(found_in(held));
  }
  EXPECT_EQ(found, expected);
}

TEST(Replicas, ArriveOnceWithEightBytesForEachHolder) {
  std::vector<Bytes> batches;
  for (int rank = 0; rank < 1000; ++rank)
    batches.push_back(pack_items(std::vector<Item>{part("w", whole({100}))}, rank));
  const Bytes united = unite(batches, 1, 1, [](int) { return 0; }).front();
  EXPECT_EQ(united.size(), batches.front().size() + 999 * 8);
}

TEST(Replicas, BoxesOfNoElementsAreAlike) {
  const std::vector<Item> items = {part("w", {{0}, {0}}), part("w", {{100}, {0}}), part("v", {{7}, {0}})};
  const auto held = unpack_items(unite({pack_items(items, 3)}, 1, 1, [](int) { return 0; }).front());
  ASSERT_EQ(held.size(), 2U);
  EXPECT_EQ(held[0].holders.size() + held[1].holders.size(), 3U);
}

TEST(Replicas, PerRankValuesDoNotTravel) {
  EXPECT_TRUE(pack_items(std::vector<Item>{test::per_rank(0, "seed", {3}).part}, 0).empty());
}

TEST(Replicas, ABagThatIsNoneIsRefused) {
  const Bytes batch = pack_items(std::vector<Item>{part("w", whole({100}))}, 0);
  for (std::size_t bytes = 1; bytes < batch.size(); ++bytes)
    EXPECT_THROW((void)unpack_items(std::span(batch).first(bytes)), Error) << bytes;
}

}  // namespace
}  // namespace holdfast::plan
