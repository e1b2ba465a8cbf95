// A launcher that does not fit, or does not work, is an error in time on all ranks, and says what to try instead.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <holdfast/checkpointer.hpp>

#include "support/mpi_fixture.hpp"

namespace holdfast::test {
namespace {

class BadLaunchers : public testing::Test {
 protected:
  ~BadLaunchers() override {
    unsetenv("SLURM_JOB_ID");
    unsetenv("HOLDFAST_LAUNCHER");
    setenv("PATH", path_.c_str(), 1);
  }
  /// As in a Slurm job whose srun is a shell script of `body`.
  void pretend_job(const std::string& body) {
    const auto srun = directory_.path() / "srun";
    if (rank_in(MPI_COMM_WORLD) == 0) {
      std::ofstream(srun) << "#!/bin/sh\n" << body << "\n";
      std::filesystem::permissions(srun, std::filesystem::perms::owner_all);
    }
    setenv("SLURM_JOB_ID", "1", 1);
    setenv("PATH", (directory_.path().string() + ":" + path_).c_str(), 1);
    MPI_Barrier(MPI_COMM_WORLD);
  }
  void refuse(Launcher launcher, ErrorCode code, std::initializer_list<std::string> words, double timeout_s = 20) {
    expect_same_error(MPI_COMM_WORLD, code, words, [&] {
      Checkpointer(MPI_COMM_WORLD,
                   {.directory = directory_.path() / "ckpt", .launcher = launcher, .launch_timeout_s = timeout_s});
    });
  }

  const std::string path_ = std::getenv("PATH");
  SharedDirectory directory_;
};

TEST_F(BadLaunchers, AStepWithoutAJob) {
  refuse(Launcher::slurm_step, ErrorCode::launch, {"inside a Slurm job only", "Launcher::spawn"});
}

TEST_F(BadLaunchers, ReservedRanksThatNobodyReserved) {
  refuse(Launcher::reserved_ranks, ErrorCode::invalid_state, {"reserve_helper_ranks()"});
}

TEST_F(BadLaunchers, ANodeWithASingleRankHasNoneToReserve) {
  expect_same_error(MPI_COMM_WORLD, ErrorCode::launch, {"single rank", "one more rank on each node"},
                    [] { static_cast<void>(reserve_helper_ranks(MPI_COMM_SELF)); });
}

TEST_F(BadLaunchers, AStepThatCannotStart) {
  pretend_job("echo 'srun: error: no steps here' >&2; exit 1");
  refuse(Launcher::slurm_step, ErrorCode::launch, {"ended before it listened", "Launcher::reserved_ranks"});
}

TEST_F(BadLaunchers, AChildIsOneHelper) {
  if (size_of_comm(MPI_COMM_WORLD) == 1) return;
  expect_same_error(
      MPI_COMM_WORLD, ErrorCode::launch, {"starts one helper", "ranks_per_helper", "Launcher::spawn"}, [&] {
        Checkpointer(MPI_COMM_WORLD,
                     {.directory = directory_.path() / "ckpt", .launcher = Launcher::child, .ranks_per_helper = 1});
      });
}

/// srun waits in vain, as for resources that are never free. It is ended with the start.
TEST_F(BadLaunchers, AStepThatNeverStarts) {
  const auto pid_file = directory_.path() / "pid";
  pretend_job("echo $$ > " + pid_file.string() + "; exec sleep 60");
  refuse(Launcher::slurm_step, ErrorCode::launch, {"in time", "Launcher::reserved_ranks"}, 2);
  int pid = 0;
  std::ifstream(pid_file) >> pid;
  ASSERT_GT(pid, 0);
  std::string name;
  std::ifstream("/proc/" + std::to_string(pid) + "/comm") >> name;
  std::string state;
  for (std::ifstream status("/proc/" + std::to_string(pid) + "/status"); std::getline(status, state);)
    if (state.starts_with("State:")) break;
  EXPECT_TRUE(name != "sleep" || state.find('Z') != state.npos) << "srun was left behind: " << state;
}

TEST_F(BadLaunchers, ANameThatIsNone) {
  setenv("HOLDFAST_LAUNCHER", "magic", 1);
  refuse(Launcher::automatic, ErrorCode::invalid_argument, {"magic", "slurm_step"});
}

}  // namespace
}  // namespace holdfast::test
