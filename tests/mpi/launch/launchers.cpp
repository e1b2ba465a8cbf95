// One suite for all launchers: start, save, a save that fails, a helper that dies, a second start, the end.
// HOLDFAST_LAUNCHER says which one; with reserved_ranks the last rank of each node becomes a helper before the tests
// begin. How each is started is in the CMakeLists.txt here and in tests/slurm.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <holdfast/checkpointer.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "launch/launcher.hpp"
#include "storage/directory/filesystem.hpp"
#include "storage/format/format.hpp"
#include "support/address_space.hpp"
#include "support/locale.hpp"
#include "support/mpi_fixture.hpp"
#include "support/processes.hpp"
#include "support/sample_tensor.hpp"

namespace holdfast::test {
namespace {

MPI_Comm training = MPI_COMM_NULL;

std::string wanted_launcher() {
  const char* name = std::getenv("HOLDFAST_LAUNCHER");
  return name != nullptr ? name : "automatic";
}

/// A launcher that has helper programs; reserved ranks are this program.
bool runs_program() {
  return wanted_launcher() != "reserved_ranks";
}

class Launchers : public testing::Test {
 protected:
  void SetUp() override {
    state_.add(tensor_.name(), tensor_.view());
    state_.add("step", step_);
  }
  void TearDown() override { MPI_Barrier(training); }

  [[nodiscard]] Options options() const { return {.directory = directory_.path() / "ckpt", .launch_timeout_s = 20}; }

  SaveStats save(Checkpointer& checkpointer, std::int64_t step) {
    tensor_.fill();
    step_ = step;
    return checkpointer.async_save(step, state_).wait();
  }
  void expect_loads(Checkpointer& checkpointer, std::int64_t step) {
    tensor_.clear();
    step_ = -1;
    EXPECT_EQ(checkpointer.load(state_).step, step);
    EXPECT_EQ(step_, step);
    EXPECT_EQ(tensor_.mistake(), "");
  }

  const std::uint64_t rank_ = static_cast<std::uint64_t>(rank_in(training)),
                      ranks_ = static_cast<std::uint64_t>(size_of_comm(training));
  SharedDirectory directory_{training};
  SampleTensor tensor_{"model/w", DType::f32, {ranks_, 1 << 18}, Box{{rank_, 0}, {1, 1 << 18}}, 3};
  std::int64_t step_ = 0;
  StateDict state_;
};

TEST_F(Launchers, StartSaveLoadClose) {
  Checkpointer checkpointer(training, options());
  EXPECT_EQ(save(checkpointer, 1).step, 1);
  EXPECT_EQ(save(checkpointer, 2).step, 2);
  expect_loads(checkpointer, 2);
  checkpointer.close();
  if (runs_program()) {
    EXPECT_EQ(helpers_of_this_job(), std::vector<int>{}) << "close() returns when the helpers have ended";
  }
}

/// One helper on each node that has ranks, by the launcher that was asked for.
TEST_F(Launchers, OneHelperPerNode) {
  Checkpointer checkpointer(training, options());
  save(checkpointer, 1);
  if (runs_program()) {
    EXPECT_EQ(helpers_of_this_job().size(), 1U);
  }
  MPI_Comm node = MPI_COMM_NULL;
  MPI_Comm_split_type(training, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  int nodes = rank_in(node) == 0 ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &nodes, 1, MPI_INT, MPI_SUM, training);
  MPI_Comm_free(&node);
  if (rank_ == 0) {
    std::ifstream file(options().directory / "events.jsonl");
    std::string line;
    std::getline(file, line);
    const auto settings = nlohmann::json::parse(line);
    EXPECT_EQ(settings.at("helpers"), nodes);
    if (wanted_launcher() != "automatic") {
      EXPECT_EQ(settings.at("launcher"), wanted_launcher());
    }
  }
  checkpointer.close();
}

TEST_F(Launchers, AFailedSaveIsAnsweredAndTheNextOneWorks) {
  Checkpointer checkpointer(training, options());
  save(checkpointer, 1);
  const auto folder = options().directory, away = directory_.path() / "away";
  if (rank_ == 0) std::filesystem::rename(folder, away);
  MPI_Barrier(training);
  expect_same_error(training, ErrorCode::storage, {folder.string()}, [&] { save(checkpointer, 2); });
  MPI_Barrier(training);
  if (rank_ == 0) std::filesystem::rename(away, folder);
  MPI_Barrier(training);
  EXPECT_EQ(save(checkpointer, 3).step, 3);
  expect_loads(checkpointer, 3);
  checkpointer.close();
}

TEST_F(Launchers, ASecondStart) {
  for (const std::int64_t step : {1, 2, 3}) {
    Checkpointer checkpointer(training, options());
    if (step > 1) {
      expect_loads(checkpointer, step - 1);
    }
    save(checkpointer, step);
    checkpointer.close();
  }
}

TEST_F(Launchers, AStartThatIsRefusedLeavesNothingInTheWay) {
  std::unique_ptr<storage::DirectoryLock> another_run;
  if (rank_ == 0) {
    std::filesystem::create_directory(options().directory);
    another_run = storage::make_posix_filesystem()->lock(options().directory / storage::format::lock_file, "pid 12", 1);
  }
  MPI_Barrier(training);
  Options impatient = options();
  impatient.launch_timeout_s = 12;  // half of what the start leaves of it goes by in waiting for the directory
  const std::string text =
      expect_same_error(training, ErrorCode::in_use, {"pid 12"}, [&] { Checkpointer(training, impatient); });
  EXPECT_EQ(text.find("Launcher::"), text.npos) << "another launcher would not help";
  another_run.reset();
  MPI_Barrier(training);
  Checkpointer next(training, options());
  save(next, 1);
  expect_loads(next, 1);
  next.close();
}

TEST_F(Launchers, OneThatWasDestroyedWithoutCloseIsEndedByTheNext) {
  { save(*std::make_unique<Checkpointer>(training, options()), 1); }
  Checkpointer next(training, options());
  expect_loads(next, 1);
  save(next, 2);
  if (runs_program()) {
    EXPECT_EQ(helpers_of_this_job().size(), 1U);
  }
  next.close();
}

/// It has copies of all that this process has open, until that has ended: MPI_Finalize of ranks and helpers does not
/// wait for it.
TEST_F(Launchers, AForkedChildThatStaysHoldsUpNobody) {
  Checkpointer checkpointer(training, options());
  save(checkpointer, 1);
  EXPECT_GT(fork_one_that_stays(), 0);
  save(checkpointer, 2);
  checkpointer.close();
}

/// Only with that launcher; left out by --gtest_filter elsewhere, like the test after these.
class ReservedRanks : public Launchers {};

TEST_F(ReservedRanks, ServeOneCheckpointerAtATime) {
  Checkpointer first(training, options());
  expect_same_error(training, ErrorCode::launch, {"one Checkpointer at a time"},
                    [&] { Checkpointer(training, {.directory = directory_.path() / "another"}); });
  EXPECT_EQ(save(first, 1).step, 1);
  first.close();
}

/// The helper that waits for its ranks is told that none comes, and serves the next Checkpointer long before its time
/// is over.
TEST_F(ReservedRanks, AreFreeWhenNoRankCouldBeConnected) {
  {
    const LimitedAddressSpace limit(12 << 20);
    expect_same_error(training, ErrorCode::out_of_memory, {"channel"}, [&] {
      Checkpointer(training, {.directory = directory_.path() / "ckpt", .launch_timeout_s = 100});
    });
  }
  const Stopwatch watch;
  Checkpointer next(training, options());
  EXPECT_EQ(save(next, 1).step, 1);
  next.close();
  EXPECT_LT(watch.seconds(), 60);
}

TEST_F(ReservedRanks, AreReservedOnce) {
  expect_same_error(training, ErrorCode::invalid_state, {"once"},
                    [] { static_cast<void>(reserve_helper_ranks(training)); });
}

/// Only where MPI lets the program live on: with recovery under mpirun, always with helpers in a step of their own.
TEST_F(Launchers, AHelperThatDiesIsReplaced) {
  Checkpointer checkpointer(training, options());
  save(checkpointer, 1);
  const std::vector<int> helpers = helpers_of_this_job();
  ASSERT_EQ(helpers.size(), 1U);
  MPI_Barrier(training);
  if (rank_ == 0) {
    kill(helpers[0], SIGKILL);
    const std::string helper = "/proc/" + std::to_string(helpers[0]);  // there until its last thread is gone
    EXPECT_TRUE(within(std::chrono::seconds(10), [&] { return !std::filesystem::exists(helper); }));
  }
  MPI_Barrier(training);
  EXPECT_FALSE(save(checkpointer, 2).plan_cached) << "a new helper knows no plan";
  expect_loads(checkpointer, 2);
  checkpointer.close();
}

int run_tests(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (rank_in(training) != 0) delete listeners.Release(listeners.default_result_printer());
  return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace holdfast::test

int main(int argc, char** argv) {
  using namespace holdfast::test;
  MPI_Init(&argc, &argv);
  speak_as_told();
  mark_helpers_of_this_job();
  training = runs_program() ? MPI_COMM_WORLD : holdfast::reserve_helper_ranks(MPI_COMM_WORLD);
  int failed = 0;
  if (training != MPI_COMM_NULL) {
    failed = run_tests(argc, argv);
    MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, training);
  }
  MPI_Finalize();
  return failed;
}
