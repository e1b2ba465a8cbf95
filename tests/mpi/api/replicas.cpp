// Replicas that differ, looked for on request: each tensor that several ranks hold alike is the same, bit by bit, at
// every save.
#include <gtest/gtest.h>

#include <cstdlib>
#include <holdfast/checkpointer.hpp>
#include <optional>
#include <vector>

#include "support/mpi_fixture.hpp"

namespace holdfast::test {
namespace {

class Replicas : public testing::Test {
 protected:
  void open(bool check) {
    checkpointer_.emplace(MPI_COMM_WORLD, Options{.directory = directory_.path() / "ckpt", .check_replicas = check});
  }
  void TearDown() override {
    checkpointer_->close();
    MPI_Barrier(MPI_COMM_WORLD);
  }
  void save(std::int64_t step) { EXPECT_EQ(checkpointer_->async_save(step, state_).wait().step, step); }
  void expect_difference(std::int64_t step, const std::string& tensor, const std::string& ranks) {
    expect_same_error(MPI_COMM_WORLD, ErrorCode::plan_conflict,
                      {"replicas differ: " + ranks, "\"" + tensor + "\": ", "check_replicas"},
                      [&] { checkpointer_->async_save(step, state_); });
  }

  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD), last_ = ranks_ - 1;
  const std::string first_and_last_ = "rank 0 and rank " + std::to_string(last_);
  SharedDirectory directory_;
  std::vector<double> weights_ = std::vector<double>(300'000, 1.5), bias_ = std::vector<double>(1000, 2.5);
  double scale_ = 3;
  StateDict state_;
  std::optional<Checkpointer> checkpointer_;
};

TEST_F(Replicas, AreFoundToDifferAtAnySave) {
  open(true);
  state_.add("weights", replicated(weights_.data(), DType::f64, {weights_.size()}));
  state_.add("bias", replicated(bias_.data(), DType::f64, {bias_.size()}));
  state_.add("scale", replicated(&scale_, DType::f64, {}));
  save(1);
  save(2);
  if (rank_ == last_) weights_.back() = 7;
  expect_difference(3, "weights", first_and_last_);
  if (rank_ == last_) bias_[0] = 7;
  expect_difference(4, "bias", first_and_last_);  // the first by name
  if (rank_ == last_) weights_.back() = 1.5;
  if (rank_ == last_) bias_[0] = 2.5;
  save(5);
  if (rank_ == 0) scale_ = -3;
  expect_difference(6, "scale", "rank 0 and rank 1");
  EXPECT_EQ(checkpointer_->latest(), 5);
}

TEST_F(Replicas, AreFoundToDifferAtTheFirstSave) {
  open(true);
  weights_[100] = rank_;
  state_.add("weights", replicated(weights_.data(), DType::f64, {weights_.size()}));
  expect_difference(1, "weights", "rank 0 and rank 1");
  EXPECT_EQ(checkpointer_->latest(), std::nullopt);
}

/// What each rank alone holds may be anything, and so may what lies beside a replica in memory.
TEST_F(Replicas, AreComparedByContentOnly) {
  open(true);
  const std::uint64_t rows = 3, columns = 70'000,
                      row = rank_ == 0 ? columns : columns + static_cast<std::uint64_t>(rank_);
  std::vector<float> padded(rows * row, static_cast<float>(-rank_));
  for (std::uint64_t i = 0; i < rows; ++i)
    for (std::uint64_t j = 0; j < columns; ++j) padded[i * row + j] = static_cast<float>(i * columns + j);
  state_.add("padded", replicated(padded.data(), DType::f32, {rows, columns}, {static_cast<std::int64_t>(row), 1}));
  std::vector<double> own(100, rank_);
  const auto rank = static_cast<std::uint64_t>(rank_);
  state_.add("own", shard(own.data(), DType::f64, {{100 * static_cast<std::uint64_t>(ranks_)}, {100 * rank}, {100}}));
  state_.add("nothing", replicated(static_cast<double*>(nullptr), DType::f64, {0, 4}));
  save(1);
  if (rank_ == last_) padded[row] = -1;  // the first of its second row
  expect_difference(2, "padded", first_and_last_);
}

/// The first half of the ranks holds one half of the tensor, the others the other one.
TEST_F(Replicas, AreThoseOfTheSameBox) {
  if (ranks_ < 4) return open(true);
  open(true);
  const bool upper = rank_ >= ranks_ / 2;
  std::vector<int> half(1000, upper ? 2 : 1);
  state_.add("halves", shard(half.data(), DType::i32, {{2000}, {upper ? 1000U : 0U}, {1000}}));
  save(1);
  if (rank_ == last_) half[999] = 0;
  expect_difference(
      2, "halves",
      "rank " + std::to_string(ranks_ / 2) + " and rank " + std::to_string(last_) + " both hold [1000:2000]");
}

TEST_F(Replicas, AreNotLookedAtUnlessAsked) {
  open(false);
  if (rank_ == last_) weights_[0] = 7;
  state_.add("weights", replicated(weights_.data(), DType::f64, {weights_.size()}));
  save(1);
}

TEST_F(Replicas, AreCheckedWhereTheEnvironmentAsks) {
  const char* const variable = "HOLDFAST_CHECK_REPLICAS";
  setenv(variable, "perhaps", 1);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {variable, "perhaps"}, [&] { open(false); });
  setenv(variable, "1", 1);
  open(false);
  unsetenv(variable);
  if (rank_ == last_) weights_[0] = 7;
  state_.add("weights", replicated(weights_.data(), DType::f64, {weights_.size()}));
  expect_difference(1, "weights", first_and_last_);
}

}  // namespace
}  // namespace holdfast::test
