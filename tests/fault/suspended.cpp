// A job that is stopped as a whole, for longer than its timeouts, and goes on: all of its ranks and helpers, as by
// Slurm's `scontrol suspend`. What it waited for comes then, and no wait is over before.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <holdfast/checkpointer.hpp>

#include "support/mpi_fixture.hpp"
#include "support/processes.hpp"
#include "support/sample_tensor.hpp"
#include "support/sticky_helper.hpp"

namespace holdfast::test {
namespace {

constexpr double timeout_s = 4, launch_timeout_s = 12;

class Suspended : public testing::Test {
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

  [[nodiscard]] Options options() const {
    return {.directory = directory_.path() / "ckpt",
            .helper_program = helper_.program(),
            .launch_timeout_s = launch_timeout_s,
            .helper_timeout_s = 3,
            .save_timeout_s = timeout_s,
            .close_timeout_s = timeout_s};
  }
  /// Rank 0 has every rank and helper stopped in a moment, for `seconds`; nothing holds the helper up afterwards.
  /// Collective.
  void suspend_soon(double seconds) const {
    int mine = getpid();
    std::vector<int> pids(static_cast<std::size_t>(size_of_comm(MPI_COMM_WORLD)));
    MPI_Gather(&mine, 1, MPI_INT, pids.data(), 1, MPI_INT, 0, MPI_COMM_WORLD);
    if (rank_ != 0) return;
    std::string all = "$(cat " + starting_.string() + " 2>/dev/null)";
    for (const int pid : pids) all += " " + std::to_string(pid);
    for (const int pid : helpers_of_this_job()) all += " " + std::to_string(pid);
    const std::string script = "(sleep 1; kill -STOP " + all + "; sleep " + std::to_string(seconds) + "; rm -f " +
                               helper_.flag().string() + "; kill -CONT " + all + ") &";
    ASSERT_EQ(std::system(script.c_str()), 0);
  }
  void expect_saved(std::int64_t step) {
    Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = options().directory, .read_only = true});
    tensor_.clear();
    EXPECT_EQ(checkpointer.load(state_).step, step);
    EXPECT_EQ(tensor_.mistake(), "");
    checkpointer.close();
  }

  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory directory_;
  const std::filesystem::path starting_ = directory_.path() / "starting";
  /// It hangs before it starts, too.
  const StickyHelper helper_{directory_.path(), HOLDFAST_STUCK_FSYNC, MPI_COMM_WORLD,
                             "echo $$ > " + starting_.string() + "; while [ -e \"$flag\" ]; do sleep 0.05; done"};
  SampleTensor tensor_{"w",
                       DType::f32,
                       {static_cast<std::uint64_t>(ranks_), 60000},
                       Box{{static_cast<std::uint64_t>(rank_), 0}, {1, 60000}},
                       5};
  StateDict state_;
};

TEST_F(Suspended, ASaveThatIsWaitedForIsCommitted) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  helper_.stick();
  const SaveFuture save = checkpointer.async_save(1, state_);
  suspend_soon(timeout_s + 2);
  EXPECT_EQ(save.wait().step, 1);
  checkpointer.close();
  expect_saved(1);
}

TEST_F(Suspended, CloseWaitsForTheSave) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  helper_.stick();
  const SaveFuture save = checkpointer.async_save(1, state_);
  suspend_soon(timeout_s + 2);
  checkpointer.close();
  expect_saved(1);
}

/// Both arenas are in use, so the third save waits for the first.
TEST_F(Suspended, ASaveWaitsForAnArena) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  helper_.stick();
  for (const std::int64_t step : {1, 2}) static_cast<void>(checkpointer.async_save(step, state_));
  suspend_soon(timeout_s + 2);
  EXPECT_EQ(checkpointer.async_save(3, state_).wait().step, 3);
  checkpointer.close();
  expect_saved(3);
}

TEST_F(Suspended, AStartIsNotTooLate) {
  helper_.stick();
  suspend_soon(launch_timeout_s + 2);
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  EXPECT_EQ(checkpointer.async_save(1, state_).wait().step, 1);
  checkpointer.close();
  expect_saved(1);
}

}  // namespace
}  // namespace holdfast::test
