// A rank's pieces in an arena that is too small for all of them at once.
#include "plan/waves.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tensor/cover.hpp"

namespace holdfast::plan {
namespace {

/// Tensors of u8 with these shapes, then values of these lengths.
struct State {
  State(const std::vector<Shape>& tensors, const std::vector<std::uint64_t>& values) {
    for (const Shape& shape : tensors) add({"t", DatasetKind::tensor, DType::u8, shape, whole(shape)});
    for (const std::uint64_t count : values) add({"v", DatasetKind::value, DType::u8, {count}, whole({count})});
  }
  void add(Item item) {
    const auto index = static_cast<std::uint32_t>(items.size());
    plan.pieces.push_back({index, index, item.box, 0, volume(item.box.extent)});
    items.push_back(std::move(item));
  }
  RankPlan plan;
  std::vector<Item> items;
};

/// No two pieces of a wave overlap, none leaves the window, and the slabs of each item are the item.
void expect_sound(const State& state, std::uint32_t waves, std::uint64_t window) {
  EXPECT_LE(state.plan.arena_bytes, window);
  std::vector<std::vector<Box>> boxes(state.items.size());
  for (const Piece& piece : state.plan.pieces) {
    EXPECT_LT(piece.wave, waves);
    EXPECT_LE(piece.arena_offset + piece.bytes, state.plan.arena_bytes);
    EXPECT_EQ(piece.bytes, volume(piece.box.extent));
    boxes[piece.item].push_back(piece.box);
    for (const Piece& other : state.plan.pieces) {
      if (&other != &piece && other.wave == piece.wave && piece.bytes > 0 && other.bytes > 0) {
        EXPECT_TRUE(other.arena_offset >= piece.arena_offset + piece.bytes ||
                    piece.arena_offset >= other.arena_offset + other.bytes);
      }
    }
  }
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    std::uint64_t sum = 0;
    for (std::size_t a = 0; a < boxes[i].size(); ++a) {
      sum += volume(boxes[i][a].extent);
      for (std::size_t b = 0; b < a; ++b)
        EXPECT_FALSE(intersect(boxes[i][a], boxes[i][b])) << "two slabs of item " << i << " overlap";
    }
    EXPECT_EQ(sum, volume(state.items[i].box.extent)) << i;
  }
}

TEST(Waves, WhatFitsIsOneWave) {
  State state({{10, 10}, {50}}, {8});
  EXPECT_EQ(place_in_waves(state.plan, state.items, {4096, "the limit"}), 1U);
  expect_sound(state, 1, 4096);
}

TEST(Waves, LargeTensorsAreCutAndValuesComeFirst) {
  State state({{1000, 10}, {3000}, {7}}, {8, 100});
  const std::uint32_t waves = place_in_waves(state.plan, state.items, {2048, "the limit"});
  expect_sound(state, waves, 2048);
  EXPECT_GE(waves, 13'000U / 2048);
  EXPECT_LE(waves, 13'000U / 2048 * 4 / 3);
  for (const Piece& piece : state.plan.pieces)
    EXPECT_TRUE(state.items[piece.item].kind == DatasetKind::tensor || piece.wave == 0);
  std::vector<std::uint32_t> order;
  for (const Piece& piece : state.plan.pieces) order.push_back(piece.wave);
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST(Waves, AnEmptyTensorTakesNothing) {
  State state({{0, 5}, {5000}}, {});
  expect_sound(state, place_in_waves(state.plan, state.items, {1024, "the limit"}), 1024);
}

TEST(Waves, WhatCannotBeCutIsAnErrorWithItsName) {
  State values({}, {600, 600});
  try {
    place_in_waves(values.plan, values.items, {1000, "the limit"});
    FAIL() << "placed 1200 bytes of values in 1000";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    EXPECT_EQ(error.context().tensor, "v");
  }
  State large({}, {2000});
  EXPECT_THROW(place_in_waves(large.plan, large.items, {1000, "the limit"}), Error);
  State nothing({{4}}, {});
  EXPECT_THROW(place_in_waves(nothing.plan, nothing.items, {0, "the limit"}), Error) << "not even one element";
}

}  // namespace
}  // namespace holdfast::plan
