#include "plan/build_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "support/mpi_fixture.hpp"
#include "tensor/cover.hpp"
#include "unit/tensor/random_boxes.hpp"

namespace holdfast::plan {
namespace {

/// A rank's plan, its items with it, as the tests show it to all ranks.
struct Shown {
  std::vector<Dataset> owned;
  std::vector<Piece> pieces;
  std::vector<Item> items;
  std::uint64_t id = 0, arena_bytes = 0;
  static void fields(auto& c, auto& s) { c(s.owned, s.pieces, s.items, s.id, s.arena_bytes); }
};

/// Once in one column and, where the ranks allow it, once in two.
class ExchangeTest : public testing::TestWithParam<int> {
 protected:
  ~ExchangeTest() override {
    grid.free();
    comm.free();
  }

  [[nodiscard]] std::vector<Shown> plan_of(const StateDict& state, std::uint64_t id = 7) const {
    const LocalPlan local = make_local_plan(state);
    mpi::LocalWork work;
    const RankPlan plan = build_plan(grid, local, id, work);
    mpi::agree(comm, work.error());
    std::vector<Shown> all;
    for (const Bytes& bytes :
         comm.all_gather(encode(Shown{plan.owned, plan.pieces, local.items, plan.id, plan.arena_bytes})))
      all.push_back(decode<Shown>(bytes));
    return all;
  }
  std::string expect_conflict(std::initializer_list<std::string> words, const StateDict& state) const {
    return test::expect_same_error(MPI_COMM_WORLD, ErrorCode::plan_conflict, words, [&] {
      mpi::LocalWork work;
      (void)build_plan(grid, make_local_plan(state), 1, work);
    });
  }

  mpi::Communicator comm = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  const int rank = comm.rank(), size = comm.size();
  mpi::Grid grid{comm,
                 size % GetParam() == 0 ? std::vector<int>{GetParam(), size / GetParam()} : std::vector<int>{size}};
  std::vector<std::byte> memory = std::vector<std::byte>(1 << 16);
};

using Definitions = std::map<std::string, Dataset>;

Definitions definitions_of(const std::vector<Shown>& plans) {
  Definitions definitions;
  for (const Shown& plan : plans)
    for (const Dataset& dataset : plan.owned)
      EXPECT_TRUE(definitions.emplace(dataset.name, dataset).second) << dataset.name << " is defined twice";
  return definitions;
}

/// The pieces of a dataset cover it once.
void check_covered(const std::vector<Shown>& plans, const Dataset& dataset) {
  std::vector<Box> boxes;
  for (const Shown& plan : plans)
    for (const Piece& piece : plan.pieces)
      if (piece.dataset == key_of(dataset.name) && !empty(piece.box)) boxes.push_back(piece.box);
  EXPECT_FALSE(find_overlap(boxes)) << dataset.name;
  EXPECT_FALSE(find_hole(dataset.global, boxes)) << dataset.name;
}

/// A rank's pieces are parts of what it holds, of the right size, and lie apart in its arena.
void check_rank(const Shown& plan, const Definitions& definitions) {
  std::uint64_t end = 0;
  for (const Piece& piece : plan.pieces) {
    const Item& item = plan.items.at(piece.item);
    const Dataset& dataset = definitions.at(item.name);
    EXPECT_EQ(piece.dataset, key_of(item.name));
    if (item.kind == DatasetKind::tensor) {
      EXPECT_EQ(intersect(item.box, piece.box), piece.box) << item.name;
    } else {
      EXPECT_EQ(volume(item.box.extent), volume(piece.box.extent)) << item.name;
    }
    EXPECT_EQ(piece.bytes, volume(piece.box.extent) * size_of(dataset.dtype));
    EXPECT_EQ(piece.arena_offset % 64, 0U);
    EXPECT_GE(piece.arena_offset, end);
    end = piece.arena_offset + piece.bytes;
  }
  EXPECT_GE(plan.arena_bytes, end);
}

void check_all(const std::vector<Shown>& plans) {
  const Definitions definitions = definitions_of(plans);
  for (const auto& [name, dataset] : definitions) check_covered(plans, dataset);
  for (const Shown& plan : plans) check_rank(plan, definitions);
}

TEST_P(ExchangeTest, TakesRandomShardings) {
  std::mt19937 random(61);  // the same on all ranks, so that each knows its part
  for (int repeat = 0; repeat < 60; ++repeat) {
    StateDict state;
    const std::size_t tensors = random() % 12;
    for (std::size_t i = 0; i < tensors; ++i) {
      const Shape global = test::random_shape(random, 3, 8);
      const Box mine = test::random_sharding(random, global, size)[static_cast<std::size_t>(rank)];
      const auto dtype = static_cast<DType>(random() % dtype_count);
      state.add("group" + std::to_string(i % 3) + "/t" + std::to_string(i),
                shard(memory.data(), dtype, {global, mine.offset, mine.extent, {}}));
    }
    const auto plans = plan_of(state, static_cast<std::uint64_t>(repeat));
    EXPECT_EQ(plans[0].id, static_cast<std::uint64_t>(repeat));
    EXPECT_EQ(definitions_of(plans).size(), tensors);
    check_all(plans);
  }
}

TEST_P(ExchangeTest, TakesValuesAndPerRankValues) {
  std::int32_t epoch = 4;
  std::string note = "the same", own(static_cast<std::size_t>(rank) * 3, 'x');
  std::uint64_t seed = static_cast<std::uint64_t>(rank);
  StateDict state;
  state.add("epoch", epoch);
  state.add("notes/first", note);
  state.add_per_rank("notes/own", own);
  state.add_per_rank("seed", seed);
  const auto plans = plan_of(state);
  check_all(plans);
  const auto definitions = definitions_of(plans);
  EXPECT_EQ(definitions.at("notes/own").global, Shape{static_cast<std::uint64_t>(3 * size * (size - 1) / 2)});
  EXPECT_EQ(definitions.at("seed").global, Shape{static_cast<std::uint64_t>(size)});
  EXPECT_EQ(definitions.at("epoch").global, Shape{});
  for (int r = 0; r < size; ++r) {
    const auto& pieces = plans[static_cast<std::size_t>(r)].pieces;
    EXPECT_EQ(std::count_if(pieces.begin(), pieces.end(), [](const Piece& p) { return p.item >= 2; }), 2)
        << "also of an empty value";
    const auto piece = std::find_if(pieces.begin(), pieces.end(), [](const Piece& p) { return p.item == 2; });
    EXPECT_EQ(piece->box,
              (Box{{static_cast<std::uint64_t>(3 * r * (r - 1) / 2)}, {static_cast<std::uint64_t>(3 * r)}}));
  }
}

TEST_P(ExchangeTest, RanksMayHoldNothing) {
  StateDict state;
  if (rank == size - 1) state.add("only", replicated(memory.data(), DType::u8, {100}));
  const auto plans = plan_of(state);
  check_all(plans);
  EXPECT_EQ(plans.back().pieces.size(), 1U);
  for (int r = 0; r + 1 < size; ++r) EXPECT_EQ(plans[static_cast<std::size_t>(r)].arena_bytes, 0U);
}

TEST_P(ExchangeTest, RanksShareWhatAllHold) {
  memory.resize(32 << 20);
  StateDict state;
  state.add("large", replicated(memory.data(), DType::u8, {memory.size()}));
  for (int i = 0; i < 64; ++i)
    state.add("small/" + std::to_string(i), replicated(memory.data(), DType::u8, {256 << 10}));
  const auto plans = plan_of(state);
  check_all(plans);
  const double fair = static_cast<double>(memory.size() + (64 * 256U << 10)) / size;
  for (const Shown& plan : plans) {
    EXPECT_GT(static_cast<double>(plan.arena_bytes), 0.75 * fair);
    EXPECT_LT(static_cast<double>(plan.arena_bytes), 1.25 * fair);
  }
}

TEST_P(ExchangeTest, ReplicasGoToRanksWithLess) {
  if (size == 1) GTEST_SKIP() << "needs two ranks";
  memory.resize(8 << 20);
  StateDict state;
  const std::uint64_t mine = rank == 0 ? memory.size() : 0;
  state.add("part", shard(memory.data(), DType::u8,
                          {.global = {memory.size()}, .offset = {rank == 0 ? 0 : memory.size()}, .extent = {mine}}));
  state.add("copy", replicated(memory.data(), DType::u8, {2 << 20}));
  const auto plans = plan_of(state);
  check_all(plans);
  EXPECT_EQ(plans[0].pieces.size(), 1U) << "rank 0 has enough to do";
}

TEST_P(ExchangeTest, AHoleIsOneErrorOnAllRanks) {
  StateDict state;
  const auto n = static_cast<std::uint64_t>(size);
  state.add("good", replicated(memory.data(), DType::f32, {10}));
  state.add("model/w", shard(memory.data(), DType::f32,
                             {.global = {2 * n, 3},
                              .offset = {2 * static_cast<std::uint64_t>(rank), 0},
                              .extent = {rank == size - 1 ? 1U : 2U, 3}}));
  const std::string last = std::to_string(2 * size - 1) + ":" + std::to_string(2 * size);
  expect_conflict({"\"model/w\": ", "a hole: nobody holds [" + last + ", 0:3]"}, state);
}

TEST_P(ExchangeTest, AnOverlapIsOneErrorOnAllRanks) {
  if (size == 1) GTEST_SKIP() << "needs two ranks";
  StateDict state;
  const auto n = static_cast<std::uint64_t>(size), r = static_cast<std::uint64_t>(rank);
  state.add("w", shard(memory.data(), DType::f32,
                       {.global = {2 * n}, .offset = {rank == 1 ? 1 : 2 * r}, .extent = {rank == 1 ? 3U : 2U}}));
  expect_conflict({"\"w\": ", "rank 0 holds [0:2] and rank 1 holds [1:4], both have [1:2]"}, state);
}

TEST_P(ExchangeTest, DTypesShapesAndKindsMustAgree) {
  if (size == 1) GTEST_SKIP() << "needs two ranks";
  const bool odd = rank == size - 1;
  const std::string odd_rank = "rank " + std::to_string(size - 1);
  StateDict dtypes, shapes, kinds;
  dtypes.add("w", replicated(memory.data(), odd ? DType::f64 : DType::f32, {10}));
  expect_conflict({"the dtype is f32 on rank 0 and f64 on " + odd_rank}, dtypes);
  shapes.add("w", replicated(memory.data(), DType::f32, {odd ? 5U : 10U, 2}));
  expect_conflict({"the global shape is (10, 2) on rank 0 and (5, 2) on " + odd_rank}, shapes);
  std::int32_t number = 0;
  if (odd)
    kinds.add("w", number);
  else
    kinds.add("w", replicated(memory.data(), DType::i32, {}));
  expect_conflict({"it is a tensor on rank 0 and a value on " + odd_rank}, kinds);
}

TEST_P(ExchangeTest, ValuesMustAgree) {
  if (size == 1) GTEST_SKIP() << "needs two ranks";
  double rate = rank == size - 1 ? 0.1 : 0.2;
  StateDict state;
  state.add("optimizer/rate", rate);
  expect_conflict(
      {"\"optimizer/rate\": ", "it is 0.2 on rank 0 and 0.1 on rank " + std::to_string(size - 1), "add_per_rank"},
      state);
}

TEST_P(ExchangeTest, ANameIsATensorOrAGroup) {
  StateDict state;
  if (rank == 0) state.add("a/b", replicated(memory.data(), DType::f32, {2}));
  if (rank == size - 1) state.add("a/b/c/d", replicated(memory.data(), DType::f32, {2}));
  expect_conflict(
      {"\"a/b\": ", "a tensor on rank 0", "a group that other names lie in on rank " + std::to_string(size - 1)},
      state);
}

TEST_P(ExchangeTest, GoesOnAfterAConflict) {
  StateDict bad, good;
  bad.add("w", shard(memory.data(), DType::f32, {.global = {4}, .offset = {0}, .extent = {3}}));
  good.add("w", replicated(memory.data(), DType::f32, {4}));
  expect_conflict({"a hole"}, bad);
  check_all(plan_of(good));
}

INSTANTIATE_TEST_SUITE_P(FirstSide, ExchangeTest, testing::Values(1, 2));

}  // namespace
}  // namespace holdfast::plan
