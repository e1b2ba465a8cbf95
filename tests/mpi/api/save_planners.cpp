// What a program decides about saves by code of its own: names, types, what is left out, who saves a replica, and
// whether the plan is to its liking.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <holdfast/checkpoint_reader.hpp>
#include <holdfast/checkpointer.hpp>
#include <numeric>
#include <stdexcept>

#include "support/mpi_fixture.hpp"

namespace holdfast::test {
namespace {

using testing::ElementsAre;
using Names = std::vector<std::string>;

/// A tensor cut by ranks, one that all ranks hold, and values.
struct Content {
  explicit Content(double first = 0) { std::iota(rows.begin(), rows.end(), static_cast<float>(first)); }

  [[nodiscard]] StateDict state() {
    const auto rank = static_cast<std::uint64_t>(rank_in(MPI_COMM_WORLD)),
               ranks = static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD));
    StateDict state;
    state.add("cache", shard(rows.data(), DType::f32, {.global = {8 * ranks}, .offset = {8 * rank}, .extent = {8}}));
    state.add("rows", shard(rows.data(), DType::f32, {.global = {8 * ranks}, .offset = {8 * rank}, .extent = {8}}));
    state.add("table", replicated(table.data(), DType::i64, {table.size()}));
    state.add("scratch", scratch);
    state.add("epoch", epoch);
    state.add_per_rank("seed", seed);
    return state;
  }

  std::array<float, 8> rows{};
  std::array<std::int64_t, 6> table = {1, 2, 3, 4, 5, 6};
  double scratch = 0.5;
  std::int64_t epoch = 7, seed = rank_in(MPI_COMM_WORLD);
};

bool is_left_out(const std::string& name) {
  return name == "cache" || name == "scratch";
}
std::string in_model(const std::string& name) {
  return "model/" + name;
}

class SavePlanners : public testing::Test {
 protected:
  void TearDown() override { EXPECT_NO_THROW(checkpointer_.close()); }

  SaveStats save(std::int64_t step, Content& content, const SavePlanner& planner) {
    return checkpointer_.async_save(step, content.state(), {}, planner).wait();
  }
  void expect_refused(ErrorCode code, std::initializer_list<std::string> words, const SavePlanner& planner) {
    Content content;
    expect_same_error(MPI_COMM_WORLD, code, words, [&] { checkpointer_.async_save(9, content.state(), {}, planner); });
  }
  [[nodiscard]] bool is_last() const { return rank_ + 1 == ranks_; }

  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory directory_;
  std::filesystem::path dir_ = directory_.path() / "ckpt";
  Checkpointer checkpointer_{MPI_COMM_WORLD, {.directory = dir_}};
};

TEST_F(SavePlanners, NamesTypesAndWhatIsLeftOutAreTheProgramsToSay) {
  const auto as_bf16 = [](const std::string&, DType dtype) { return dtype == DType::f32 ? DType::bf16 : dtype; };
  Content saved(3);
  const SaveStats stats = save(1, saved, {.name_in_file = in_model, .leave_out = is_left_out, .stored_as = as_bf16});
  const CheckpointReader reader(stats.path);
  Names names;
  for (const SavedEntry& entry : reader.entries()) names.push_back(entry.name);
  EXPECT_THAT(names, testing::UnorderedElementsAre("model/rows", "model/table", "model/epoch", "model/seed"));
  EXPECT_EQ(reader.at("model/rows").dtype, DType::bf16);
  EXPECT_EQ(reader.at("model/table").dtype, DType::i64);
  EXPECT_EQ(reader.number<std::int64_t>("model/seed", ranks_ - 1), ranks_ - 1);

  Content loaded;
  loaded.epoch = loaded.seed = -1;
  StateDict state = loaded.state();
  checkpointer_.load(state, {.convert = true}, {.name_in_file = in_model, .may_be_missing = is_left_out});
  EXPECT_EQ(loaded.rows, saved.rows);
  EXPECT_EQ(loaded.epoch, 7);
  EXPECT_EQ(loaded.seed, rank_);
}

TEST_F(SavePlanners, AreNotAskedForPlansThatAreKept) {
  int asked = 0, planned = 0;
  SavePlanner planner{.name_in_file = [&](const std::string& name) { return ++asked, name; },
                      .leave_out = is_left_out,
                      .planned = [&](const auto&) { ++planned; }};
  Content content, elsewhere(5);
  EXPECT_FALSE(save(1, content, planner).plan_cached);
  EXPECT_EQ(asked, 4);
  content.scratch = 3;
  EXPECT_TRUE(save(2, content, planner).plan_cached);
  EXPECT_TRUE(save(3, elsewhere, planner).plan_cached);
  EXPECT_EQ(asked, 4);
  EXPECT_EQ(planned, 1);
  EXPECT_FALSE(save(4, content, {}).plan_cached);
  planner.version = 1;
  EXPECT_FALSE(save(5, content, planner).plan_cached);
  EXPECT_EQ(asked, 8);
  EXPECT_EQ(planned, 2);
  EXPECT_EQ(CheckpointReader(dir_ / "step-000000000003.h5").entries().size(), 4U);
  EXPECT_EQ(CheckpointReader(dir_ / "step-000000000004.h5").entries().size(), 6U);
}

TEST_F(SavePlanners, AWarmUpMakesTheirPlan) {
  int planned = 0;
  const SavePlanner planner{.leave_out = is_left_out, .planned = [&](const auto&) { ++planned; }};
  Content content;
  checkpointer_.warm_up(content.state(), planner);
  EXPECT_TRUE(save(1, content, planner).plan_cached);
  EXPECT_EQ(planned, 1);
}

TEST_F(SavePlanners, ValuesThatAreLeftOutMayComeAndGo) {
  const SavePlanner planner{.leave_out = is_left_out};
  double scratch = 1;
  std::int64_t first = 1, second = 2;
  StateDict with, without;
  for (StateDict* state : {&with, &without}) {
    if (state == &with) state->add("scratch", scratch);
    state->add("first", first);
    state->add("second", second);
  }
  for (std::int64_t step = 1; step <= 4; ++step) {
    first = 10 * step;
    second = 20 * step;
    const std::string path = checkpointer_.async_save(step, step % 2 == 0 ? with : without, {}, planner).wait().path;
    EXPECT_EQ(CheckpointReader(path).number<std::int64_t>("first"), first);
    EXPECT_EQ(CheckpointReader(path).number<std::int64_t>("second"), second);
    EXPECT_EQ(CheckpointReader(path).find("scratch"), nullptr);
  }
}

TEST_F(SavePlanners, ChooseWhoSavesAReplica) {
  std::vector<PlannedShard> shards;
  SavePlanner planner{.saved_by = [](const std::string&, std::span<const int> holders) { return holders.back(); },
                      .planned = [&](const std::vector<PlannedShard>& mine) { shards = mine; }};
  Content content;
  save(1, content, planner);
  Names names;
  for (const PlannedShard& shard : shards) names.push_back(shard.name);
  const Names own = {"cache", "rows", "seed"}, all = {"cache", "epoch", "rows", "scratch", "seed", "table"};
  std::ranges::sort(names);
  EXPECT_EQ(names, is_last() ? all : own);
  const auto rows = std::ranges::find(shards, "rows", &PlannedShard::name);
  EXPECT_THAT(rows->offset, ElementsAre(8 * static_cast<std::uint64_t>(rank_)));
  EXPECT_THAT(rows->extent, ElementsAre(8));
  EXPECT_EQ(rows->bytes, 32U);

  if (ranks_ == 1) return;
  planner.version = 1;
  planner.saved_by = [](const std::string&, std::span<const int>) { return 77; };
  expect_refused(ErrorCode::invalid_argument, {"SavePlanner::saved_by chose rank 77"}, planner);
}

TEST_F(SavePlanners, APlanThatOneRankRefusesIsRefusedOnAll) {
  const SavePlanner planner{.planned = [&](const std::vector<PlannedShard>& shards) {
    if (is_last()) throw Error(ErrorCode::invalid_state, "too much for me", {.tensor = shards.front().name});
  }};
  expect_refused(ErrorCode::invalid_state, {"too much for me"}, planner);
  expect_refused(ErrorCode::invalid_state, {"too much for me"}, planner);
  Content content;
  EXPECT_EQ(save(1, content, {}).step, 1);
}

TEST_F(SavePlanners, WhatAFunctionThrowsOnOneRankIsThrownOnAll) {
  const auto fail_on_last = [&](const std::string& name) {
    if (is_last()) throw std::runtime_error("no idea");
    return name;
  };
  expect_refused(ErrorCode::internal, {"no idea"}, {.name_in_file = fail_on_last});
}

TEST_F(SavePlanners, NamesThatAreNotOneToOneAreRefused) {
  const auto one = [](const std::string& name) { return name == "rows" || name == "cache" ? "rows" : name; };
  expect_refused(ErrorCode::invalid_argument, {"both called rows", "SavePlanner::name_in_file"}, {.name_in_file = one});
  expect_refused(ErrorCode::invalid_argument, {"a/../b"},
                 {.name_in_file = [](const std::string&) { return std::string("a/../b"); }});
  if (ranks_ == 1) return;
  SavePlanner planner;
  if (is_last()) planner.name_in_file = in_model;
  expect_refused(ErrorCode::invalid_argument, {"the ranks call it", "SavePlanner::name_in_file"}, planner);
}

TEST_F(SavePlanners, TypesThatCannotBeConvertedAreRefused) {
  expect_refused(ErrorCode::invalid_argument, {"cannot be stored as c64"},
                 {.stored_as = [](const std::string&, DType) { return DType::c64; }});
}

/// What a binding of another language finds out on one rank alone.
TEST_F(SavePlanners, TheFaultsOfABindingAreThrownOnAllRanks) {
  Content content;
  StateDict state = content.state();
  if (is_last()) state.fail(Error(ErrorCode::invalid_argument, "this array is read-only", {.tensor = "rows"}));
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"rows", "this array is read-only"},
                    [&] { checkpointer_.async_save(1, state); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"rows", "this array is read-only"},
                    [&] { checkpointer_.load(state); });
  std::optional<Error> problem;
  if (is_last()) problem.emplace(ErrorCode::invalid_argument, "there is no option kep_last");
  const auto expect_it = [&](const std::function<void()>& call) {
    expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"no option kep_last"}, call);
  };
  StateDict good = content.state();
  expect_it([&] { checkpointer_.async_save(1, good, {.problem = problem}); });
  expect_it([&] { checkpointer_.load(good, {.problem = problem}); });
  expect_it([&] { Checkpointer(MPI_COMM_WORLD, {.directory = dir_ / "other", .problem = problem}).close(); });
}

}  // namespace
}  // namespace holdfast::test
