// A job that is stopped as a whole, for longer than its timeouts, and goes on: all of its ranks and helpers, as by Slurm's
// `scontrol suspend`. What it waited for comes then, and no wait is over before.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <holdfast/checkpointer.hpp>

#include "support/mpi_fixture.hpp"
#include "support/processes.hpp"
#include "support/sample_tensor.hpp"

namespace holdfast::test {
namespace {

constexpr double timeout_s = 4, launch_timeout_s = 12;

class Suspended : public testing::Test {
 protected:
  void SetUp() override {
    tensor_.fill();
    state_.add(tensor_.name(), tensor_.view());
    if (rank_ == 0) write_helper();
    MPI_Barrier(MPI_COMM_WORLD);
  }
  void TearDown() override {
    if (rank_ == 0) {
      EXPECT_TRUE(within(std::chrono::seconds(20), [] { return helpers_of_this_job().empty(); })) << "a helper stayed behind";
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }

  [[nodiscard]] Options options() const {
    return {.directory = directory_.path() / "ckpt",
            .helper = program_,
            .launch_timeout_s = launch_timeout_s,
            .helper_timeout_s = 3,
            .save_timeout_s = timeout_s,
            .close_timeout_s = timeout_s};
  }
  /// Rank 0 has every rank and helper stopped in a moment, for `seconds`; nothing holds the helper up afterwards. Collective.
  void suspend_soon(double seconds) const {
    int mine = getpid();
    std::vector<int> pids(static_cast<std::size_t>(size_of_comm(MPI_COMM_WORLD)));
    MPI_Gather(&mine, 1, MPI_INT, pids.data(), 1, MPI_INT, 0, MPI_COMM_WORLD);
    if (rank_ != 0) return;
    std::string all = "$(cat " + starting_.string() + " 2>/dev/null)";
    for (const int pid : pids) all += " " + std::to_string(pid);
    for (const int pid : helpers_of_this_job()) all += " " + std::to_string(pid);
    const std::string script = "(sleep 1; kill -STOP " + all + "; sleep " + std::to_string(seconds) + "; rm -f " +
                               flag_.string() + "; kill -CONT " + all + ") &";
    ASSERT_EQ(std::system(script.c_str()), 0);
  }
  /// From now on, helpers get no further than where this holds them up. Collective.
  void hold_up() const {
    if (rank_ == 0) std::ofstream{flag_};
    MPI_Barrier(MPI_COMM_WORLD);
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
  const std::filesystem::path flag_ = directory_.path() / "held-up", program_ = directory_.path() / "held-up-helper",
                              starting_ = directory_.path() / "starting";
  SampleTensor tensor_{
      "w", DType::f32, {static_cast<std::uint64_t>(ranks_), 60000}, Box{{static_cast<std::uint64_t>(rank_), 0}, {1, 60000}}, 5};
  StateDict state_;

 private:
  /// It hangs before it starts, and in each fsync(), for as long as the flag is there.
  void write_helper() const {
    std::ofstream(program_) << "#!/bin/sh\n"
                            << "if [ \"$1\" != --probe ]; then echo $$ > " << starting_ << "; fi\n"
                            << "if [ \"$1\" != --probe ]; then while [ -e " << flag_ << " ]; do sleep 0.05; done; fi\n"
                            << "exec env ASAN_OPTIONS=\"$ASAN_OPTIONS:verify_asan_link_order=0\" STUCK_FSYNC=" << flag_
                            << " LD_PRELOAD=" << HOLDFAST_STUCK_FSYNC << ' ' << std::getenv("HOLDFAST_HELPER") << " \"$@\"\n";
    std::filesystem::permissions(program_, std::filesystem::perms::owner_all);
  }
};

TEST_F(Suspended, ASaveThatIsWaitedForIsCommitted) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  hold_up();
  const SaveFuture save = checkpointer.async_save(1, state_);
  suspend_soon(timeout_s + 2);
  EXPECT_EQ(save.wait().step, 1);
  checkpointer.close();
  expect_saved(1);
}

TEST_F(Suspended, CloseWaitsForTheSave) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  hold_up();
  const SaveFuture save = checkpointer.async_save(1, state_);
  suspend_soon(timeout_s + 2);
  checkpointer.close();
  expect_saved(1);
}

/// Both arenas are in use, so the third save waits for the first.
TEST_F(Suspended, ASaveWaitsForAnArena) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  hold_up();
  for (const std::int64_t step : {1, 2}) static_cast<void>(checkpointer.async_save(step, state_));
  suspend_soon(timeout_s + 2);
  EXPECT_EQ(checkpointer.async_save(3, state_).wait().step, 3);
  checkpointer.close();
  expect_saved(3);
}

TEST_F(Suspended, AStartIsNotTooLate) {
  hold_up();
  suspend_soon(launch_timeout_s + 2);
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  EXPECT_EQ(checkpointer.async_save(1, state_).wait().step, 1);
  checkpointer.close();
  expect_saved(1);
}

}  // namespace
}  // namespace holdfast::test
