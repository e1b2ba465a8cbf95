// A program may change its working directory: a relative one in Options means what it meant to the constructor.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <holdfast/checkpointer.hpp>

#include "support/mpi_fixture.hpp"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

class WorkingDirectory : public testing::Test {
 protected:
  WorkingDirectory() {
    state_.add("x", x_);
    if (rank_ == 0)
      for (const fs::path& folder : {a_, b_}) fs::create_directory(folder);
    MPI_Barrier(MPI_COMM_WORLD);
  }
  ~WorkingDirectory() override { fs::current_path(before_); }

  /// Saves `x` as `step`, for the run whose checkpoints are in `ckpt` there.
  void run_in(const fs::path& folder, int step, double x) {
    fs::current_path(folder);
    Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = "ckpt"});
    x_ = x;
    checkpointer.async_save(step, state_).wait();
    checkpointer.close();
  }

  const fs::path before_ = fs::current_path();
  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory directory_;
  const fs::path a_ = directory_.path() / "a", b_ = directory_.path() / "b";
  double x_ = 0;
  StateDict state_;
};

TEST_F(WorkingDirectory, ChangesNothingForACheckpointerThatIsThere) {
  run_in(b_, 7, 777);
  fs::current_path(a_);
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = "ckpt"});
  x_ = 1;
  EXPECT_EQ(checkpointer.async_save(1, state_).wait().path, (a_ / "ckpt/step-000000000001.h5").string());
  fs::current_path(b_);
  EXPECT_EQ(checkpointer.latest(), 1);
  x_ = 2;
  EXPECT_EQ(checkpointer.async_save(2, state_).wait().path, (a_ / "ckpt/step-000000000002.h5").string());
  x_ = 0;
  const LoadReport report = checkpointer.load(state_);
  EXPECT_EQ(report.step, 2);
  EXPECT_EQ(report.path, (a_ / "ckpt/step-000000000002.h5").string());
  EXPECT_EQ(x_, 2);
  if (rank_ == 0) std::ofstream(a_ / "ckpt/halt").put('\n');
  if (rank_ == 0) std::ofstream(b_ / "ckpt/save-now").put('\n');
  MPI_Barrier(MPI_COMM_WORLD);
  const Requests requests = checkpointer.requests();
  EXPECT_TRUE(requests.halt);
  EXPECT_FALSE(requests.save) << "that is another run's";
  expect_same_error(MPI_COMM_WORLD, ErrorCode::not_found, {(a_ / "ckpt").string()},
                    [&] { checkpointer.load(state_, {.step = 7}); });
  checkpointer.close();
}

TEST_F(WorkingDirectory, IsThatOfTheConstructorForAReadOnlyOne) {
  run_in(b_, 7, 777);
  run_in(a_, 1, 1);
  Checkpointer reader(MPI_COMM_WORLD, {.directory = "ckpt", .read_only = true});
  fs::current_path(b_);
  EXPECT_EQ(reader.latest(), 1);
  EXPECT_EQ(reader.load(state_).step, 1);
  EXPECT_EQ(x_, 1);
  reader.close();
}

TEST_F(WorkingDirectory, ThatIsAnotherOneOnOneRankIsTold) {
  if (ranks_ == 1) return;  // nobody to disagree with
  fs::current_path(rank_ == ranks_ - 1 ? b_ : a_);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::plan_conflict, {"Options"},
                    [&] { Checkpointer(MPI_COMM_WORLD, {.directory = "ckpt"}); });
  Checkpointer absolute(MPI_COMM_WORLD, {.directory = a_ / "ckpt"});
  absolute.async_save(1, state_).wait();
  absolute.close();
}

TEST_F(WorkingDirectory, ThatIsGoneIsTold) {
  const fs::path gone = directory_.path() / ("gone" + std::to_string(rank_));
  fs::create_directory(gone);
  fs::current_path(gone);
  fs::remove(gone);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"ckpt", "relative"},
                    [&] { Checkpointer(MPI_COMM_WORLD, {.directory = "ckpt"}); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::launch, {"working directory"},
                    [&] { Checkpointer(MPI_COMM_WORLD, {.directory = a_ / "ckpt"}); });
  fs::current_path(before_);
  Checkpointer absolute(MPI_COMM_WORLD, {.directory = a_ / "ckpt"});
  absolute.async_save(1, state_).wait();
  absolute.close();
}

}  // namespace
}  // namespace holdfast::test
