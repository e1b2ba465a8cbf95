// What a program decides about loads by code of its own: names in the file, what may be missing, what follows a load.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/checkpointer.hpp>
#include <map>
#include <stdexcept>

#include "support/mpi_fixture.hpp"
#include "support/sample_tensor.hpp"

namespace holdfast::test {
namespace {

using testing::ElementsAre;
using Names = std::vector<std::string>;

class LoadPlanners : public testing::Test {
 protected:
  void SetUp() override {
    checkpointer_.emplace(MPI_COMM_WORLD, Options{.directory = directory_.path() / "ckpt"});
    SampleTensor weight = rows("encoder/weight"), bias = rows("encoder/bias");
    std::int64_t epoch = 7;
    StateDict saved;
    for (SampleTensor* tensor : {&weight, &bias}) {
      tensor->fill();
      saved.add(tensor->name(), tensor->view());
    }
    saved.add("epoch", epoch);
    checkpointer_->async_save(1, saved).wait();
    for (SampleTensor& tensor : loaded_) wanted_.add(tensor.name(), tensor.view());
    wanted_.add("count", count_);
  }
  void TearDown() override { EXPECT_NO_THROW(checkpointer_->close()); }

  [[nodiscard]] SampleTensor rows(const std::string& name) const {
    const Shape global = {static_cast<std::uint64_t>(ranks_) * 5, 3};
    return {name, DType::f32, global, {{static_cast<std::uint64_t>(rank_) * 5, 0}, {5, 3}}, 4};
  }
  void expect_loaded() {
    for (const SampleTensor& tensor : loaded_) EXPECT_EQ(tensor.mistake(), "");
    EXPECT_EQ(count_, 7);
  }
  [[nodiscard]] bool is_last() const { return rank_ + 1 == ranks_; }
  /// The names of the model inside of another one.
  static std::string old_name(const std::string& name) { return name == "count" ? "epoch" : name.substr(4); }

  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory directory_;
  std::optional<Checkpointer> checkpointer_;
  std::vector<SampleTensor> loaded_ = {rows("new/encoder/weight"), rows("new/encoder/bias")};
  std::int64_t count_ = 0;
  StateDict wanted_;
};

TEST_F(LoadPlanners, NamesInTheFileAreTheProgramsToSay) {
  std::map<std::string, int> asked;
  Names told;
  const LoadReport report = checkpointer_->load(wanted_, {},
                                                {.name_in_file =
                                                     [&](const std::string& name) {
                                                       ++asked[name];
                                                       return old_name(name);
                                                     },
                                                 .may_be_missing = {},
                                                 .loaded = [&](const std::string& name) { told.push_back(name); }});
  expect_loaded();
  EXPECT_TRUE(report.missing.empty());
  EXPECT_THAT(asked,
              ElementsAre(std::pair("count", 1), std::pair("new/encoder/bias", 1), std::pair("new/encoder/weight", 1)));
  EXPECT_EQ(told, (Names{"new/encoder/weight", "new/encoder/bias", "count"}));
}

TEST_F(LoadPlanners, ErrorsKeepToTheNamesOfTheProgram) {
  double number = 0;
  StateDict state;
  state.add("mine", number);
  const auto to_epoch = [](const std::string&) { return std::string("epoch"); };
  expect_same_error(MPI_COMM_WORLD, ErrorCode::mismatch, {"\"mine\": ", "i64"},
                    [&] { checkpointer_->load(state, {.strict = Strict::mine}, {.name_in_file = to_epoch}); });
  const auto to_nothing = [](const std::string&) { return std::string("epohc"); };
  expect_same_error(MPI_COMM_WORLD, ErrorCode::not_found, {"mine"},
                    [&] { checkpointer_->load(state, {.strict = Strict::mine}, {.name_in_file = to_nothing}); });
}

TEST_F(LoadPlanners, TwoNamesOfOneFileNameAreRefused) {
  const auto one = [](const std::string& name) { return name == "count" ? "epoch" : std::string("encoder/bias"); };
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument,
                    {"new/encoder/weight", "new/encoder/bias", "both called encoder/bias", "name_in_file"},
                    [&] { checkpointer_->load(wanted_, {}, {.name_in_file = one}); });
}

TEST_F(LoadPlanners, RanksThatDifferAreRefused) {
  if (ranks_ == 1) return;
  LoadPlanner planner;
  if (is_last()) planner.name_in_file = old_name;
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"the ranks call it", "name_in_file"},
                    [&] { checkpointer_->load(wanted_, {}, planner); });
}

TEST_F(LoadPlanners, WhatAFunctionThrowsOnOneRankIsThrownOnAll) {
  const auto fail_on_last = [&](const std::string& name) {
    if (is_last()) throw std::runtime_error("no idea");
    return old_name(name);
  };
  expect_same_error(MPI_COMM_WORLD, ErrorCode::internal, {"no idea"},
                    [&] { checkpointer_->load(wanted_, {}, {.name_in_file = fail_on_last}); });
  const auto fail_if_missing = [&](const std::string&) {
    if (is_last()) throw std::runtime_error("nor here");
    return true;
  };
  expect_same_error(MPI_COMM_WORLD, ErrorCode::internal, {"nor here"},
                    [&] { checkpointer_->load(wanted_, {}, {.may_be_missing = fail_if_missing}); });
  const auto fail_at_the_end = [&](const std::string&) {
    if (is_last()) throw Error(ErrorCode::corrupt, "nor after it");
  };
  expect_same_error(MPI_COMM_WORLD, ErrorCode::corrupt, {"nor after it"}, [&] {
    checkpointer_->load(wanted_, {}, {.name_in_file = old_name, .may_be_missing = {}, .loaded = fail_at_the_end});
  });
  expect_loaded();
}

TEST_F(LoadPlanners, WhatMayBeMissingIsLeftAsItIs) {
  double momentum = 0.5;
  wanted_.add("momentum", momentum);
  const auto in_file = [](const std::string& name) { return name == "momentum" ? name : old_name(name); };
  const auto is_momentum = [](const std::string& name) { return name == "momentum"; };
  expect_same_error(MPI_COMM_WORLD, ErrorCode::not_found, {"momentum"},
                    [&] { checkpointer_->load(wanted_, {}, {.name_in_file = in_file}); });
  const LoadReport report =
      checkpointer_->load(wanted_, {}, {.name_in_file = in_file, .may_be_missing = is_momentum, .loaded = {}});
  expect_loaded();
  EXPECT_EQ(momentum, 0.5);
  EXPECT_EQ(report.missing, Names{"momentum"});
  EXPECT_EQ(report.missing_count, 0U);
}

}  // namespace
}  // namespace holdfast::test
