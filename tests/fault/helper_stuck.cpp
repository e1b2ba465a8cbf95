// Helpers that live and do nothing, and helpers that wait for one that is gone: found out by a deadline, reported,
// replaced. MPI lets the program live on (mpirun with recovery).
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <holdfast/checkpointer.hpp>

#include "support/event_log.hpp"
#include "support/mpi_fixture.hpp"
#include "support/processes.hpp"
#include "support/sample_tensor.hpp"
#include "support/sticky_helper.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::test {
namespace {

constexpr double helper_timeout_s = 3, save_timeout_s = 4;
/// Far above the timeouts, far below what would be waited for without them.
constexpr std::chrono::seconds patience(30);

class HelperStuck : public testing::Test {
 protected:
  void SetUp() override {
    tensor_.fill();
    state_.add(tensor_.name(), tensor_.view());
  }
  void TearDown() override {
    if (rank_ == 0) {
      EXPECT_TRUE(within(std::chrono::seconds(20), [] { return helpers_of_this_job().empty(); }))
          << "a helper stayed behind";
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }

  [[nodiscard]] Options options(int ranks_per_helper = 0) const {
    return {.directory = directory_.path() / "ckpt",
            .ranks_per_helper = ranks_per_helper,
            .launch_timeout_s = 30,
            .helper_timeout_s = helper_timeout_s,
            .save_timeout_s = save_timeout_s};
  }
  /// Rank 0 signals one of the helpers, when all ranks have heard of what was saved before; all learn which.
  [[nodiscard]] int signal_one_helper(int signal) const {
    MPI_Barrier(MPI_COMM_WORLD);
    int pid = rank_ == 0 ? helpers_of_this_job().front() : 0;
    MPI_Bcast(&pid, 1, MPI_INT, 0, MPI_COMM_WORLD);
    if (rank_ == 0) kill(pid, signal);
    if (rank_ == 0 && signal == SIGSTOP) {
      EXPECT_TRUE(within(std::chrono::seconds(20), [&] { return is_stopped(pid); })) << "the helper runs on";
    }
    MPI_Barrier(MPI_COMM_WORLD);
    return pid;
  }
  static void expect_lost(const SaveFuture& save, const std::vector<int>& pids) {
    const auto start = std::chrono::steady_clock::now();
    try {
      save.wait(patience);
      ADD_FAILURE() << "the save cannot have been written";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::helper_lost) << error.what();
      EXPECT_TRUE(std::ranges::any_of(pids, [&](int pid) {
        return std::string(error.what()).find(std::to_string(pid)) != std::string::npos;
      })) << error.what();
      EXPECT_FALSE(error.context().host.empty());
    }
    print_noticed(MPI_COMM_WORLD, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    MPI_Barrier(MPI_COMM_WORLD);
  }
  void expect_failed_saves(std::size_t count) const {
    if (rank_ == 0) {
      EXPECT_EQ(failed_saves(options().directory).size(), count);
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }
  /// Saves again, with new helpers, and nothing of the failed save is left.
  void expect_goes_on(Checkpointer& checkpointer) {
    EXPECT_EQ(checkpointer.async_save(9, state_).wait(patience).step, 9);
    tensor_.clear();
    EXPECT_EQ(checkpointer.load(state_).step, 9);
    EXPECT_EQ(tensor_.mistake(), "");
    for (const auto& entry : std::filesystem::directory_iterator(options().directory))
      EXPECT_NE(entry.path().extension(), ".partial") << entry.path();
    MPI_Barrier(MPI_COMM_WORLD);
    checkpointer.close();
  }

  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory directory_;
  SampleTensor tensor_{"w",
                       DType::f32,
                       {static_cast<std::uint64_t>(ranks_), 600000},
                       Box{{static_cast<std::uint64_t>(rank_), 0}, {1, 600000}},
                       5};
  StateDict state_;
};

TEST_F(HelperStuck, OneThatIsStoppedIsGivenUp) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  EXPECT_EQ(checkpointer.async_save(1, state_).wait().step, 1);
  const int pid = signal_one_helper(SIGSTOP);
  expect_lost(checkpointer.async_save(2, state_), {pid});
  EXPECT_EQ(checkpointer.latest(), 1);
  expect_goes_on(checkpointer);
}

TEST_F(HelperStuck, OneThatIsStoppedDoesNotHoldClose) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  EXPECT_EQ(checkpointer.async_save(1, state_).wait().step, 1);
  const int pid = signal_one_helper(SIGSTOP);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::helper_lost, {std::to_string(pid)}, [&] { checkpointer.close(); });
}

/// Its ranks are told at once; the other helper, which waits for it to write, finds out, tells its ranks, and leaves.
TEST_F(HelperStuck, OneThatDiesIsMissedByTheOthers) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options(1));
  EXPECT_EQ(checkpointer.async_save(1, state_).wait().step, 1);
  const std::vector<int> helpers = helpers_of_this_job();
  const int pid = signal_one_helper(SIGSTOP);
  const SaveFuture save = checkpointer.async_save(2, state_);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank_ == 0) kill(pid, SIGKILL);
  // mpirun of Open MPI 5 ends all helpers with the first one that is killed, so that a rank may see its own one gone.
  expect_lost(save, mpi::open_mpi_version() < 5 ? std::vector{pid} : helpers);
  EXPECT_EQ(checkpointer.latest(), 1);
  expect_failed_saves(1);
  expect_goes_on(checkpointer);
}

TEST_F(HelperStuck, OneThatIsStoppedIsMissedByTheOthers) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options(1));
  EXPECT_EQ(checkpointer.async_save(1, state_).wait().step, 1);
  const int pid = signal_one_helper(SIGSTOP);
  expect_lost(checkpointer.async_save(2, state_), {pid});
  expect_goes_on(checkpointer);
}

/// Slow is not silent: only save_timeout_s ends a write that gets nowhere.
TEST_F(HelperStuck, OneThatIsStuckInAWriteIsGivenUp) {
  const StickyHelper helper(directory_.path(), HOLDFAST_STUCK_FSYNC);
  Options stuck = options();
  stuck.helper_program = helper.program();
  Checkpointer checkpointer(MPI_COMM_WORLD, stuck);
  EXPECT_EQ(checkpointer.async_save(1, state_).wait().step, 1);
  helper.stick();
  const SaveFuture save = checkpointer.async_save(2, state_);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::timeout, {"has not written", options().directory.string()},
                    [&] { save.wait(patience); });
  EXPECT_EQ(checkpointer.latest(), 1);
  expect_failed_saves(1);
  helper.let_go();
  expect_goes_on(checkpointer);
}

}  // namespace
}  // namespace holdfast::test
