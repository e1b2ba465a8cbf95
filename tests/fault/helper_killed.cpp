// The helper is killed under a program that MPI lets live on (mpirun with recovery): the save in flight fails at once
// with who died, training goes on, and the next save starts a new helper.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <holdfast/checkpointer.hpp>

#include "support/event_log.hpp"
#include "support/mpi_fixture.hpp"
#include "support/processes.hpp"
#include "support/sample_tensor.hpp"

namespace holdfast::test {
namespace {

class HelperKilled : public testing::Test {
 protected:
  void SetUp() override {
    tensor_.fill();
    state_.add(tensor_.name(), tensor_.view());
    EXPECT_EQ(checkpointer_.async_save(1, state_).wait().step, 1);
    int pid = rank_ == 0 ? helpers_of_this_job().at(0) : 0;
    MPI_Bcast(&pid, 1, MPI_INT, 0, MPI_COMM_WORLD);
    helper_ = pid;
  }
  void TearDown() override {
    const SaveStats stats = checkpointer_.async_save(3, state_).wait();
    EXPECT_FALSE(stats.plan_cached) << "a new helper knows no plan";
    tensor_.clear();
    EXPECT_EQ(checkpointer_.load(state_).step, 3);
    EXPECT_EQ(tensor_.mistake(), "");
    checkpointer_.close();
    if (rank_ == 0) {
      EXPECT_TRUE(within(std::chrono::seconds(10), [] { return helpers_of_this_job().empty(); }))
          << "a helper stayed behind";
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }
  void signal_helper(int signal) const {
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank_ == 0) kill(helper_, signal);
    MPI_Barrier(MPI_COMM_WORLD);
  }

  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory directory_;
  SampleTensor tensor_{"w",
                       DType::f32,
                       {static_cast<std::uint64_t>(ranks_), 100000},
                       Box{{static_cast<std::uint64_t>(rank_), 0}, {1, 100000}},
                       5};
  StateDict state_;
  Checkpointer checkpointer_{MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt", .file_mode = 0644}};
  int helper_ = 0;
};

TEST_F(HelperKilled, WhileItIsIdle) {
  signal_helper(SIGKILL);
  if (rank_ == 0) {
    EXPECT_TRUE(
        within(std::chrono::seconds(10), [&] { return !std::filesystem::exists("/proc/" + std::to_string(helper_)); }));
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

/// A stopped helper takes no part: staging does not need it. Killed, it is missed within a second.
TEST_F(HelperKilled, WithASaveInFlight) {
  signal_helper(SIGSTOP);
  if (rank_ == 0) {
    std::filesystem::remove(directory_.path() / "ckpt" / "events.jsonl");
  }
  const mode_t before = umask(077);
  const SaveFuture save = checkpointer_.async_save(2, state_);
  EXPECT_FALSE(save.ready());
  signal_helper(SIGKILL);
  const auto start = std::chrono::steady_clock::now();
  expect_same_error(MPI_COMM_WORLD, ErrorCode::helper_lost, {std::to_string(helper_)}, [&] { save.wait(); });
  umask(before);
  const std::chrono::duration<double> noticed = std::chrono::steady_clock::now() - start;
  EXPECT_LT(noticed.count(), 1);
  print_noticed(MPI_COMM_WORLD, noticed.count());
  EXPECT_EQ(checkpointer_.latest(), 1);
  if (rank_ == 0) {
    const std::vector<std::string> failed = failed_saves(directory_.path() / "ckpt");
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_NE(failed[0].find(R"("step":2,"code":"helper_lost")"), std::string::npos) << failed[0];
    EXPECT_NE(failed[0].find("(pid " + std::to_string(helper_) + ")"), std::string::npos) << failed[0];
    struct stat status {};
    ASSERT_EQ(stat((directory_.path() / "ckpt" / "events.jsonl").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0644U) << "the file was made anew, with the run's permission bits";
  }
}

}  // namespace
}  // namespace holdfast::test
