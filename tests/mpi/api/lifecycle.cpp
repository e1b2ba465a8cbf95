// Starting, sharing and ending: several Checkpointers, parts of the world, what is left behind, what an idle helper
// costs.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <holdfast/checkpointer.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/mpi_fixture.hpp"
#include "support/processes.hpp"

namespace holdfast::test {
namespace {

class Lifecycle : public testing::Test {
 protected:
  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory directory_;
  std::int64_t value_ = 0;

  StateDict state() {
    StateDict state;
    state.add("value", value_);
    return state;
  }
  void save(Checkpointer& checkpointer, std::int64_t step) {
    value_ = step;
    checkpointer.async_save(step, state()).wait();
  }
};

TEST_F(Lifecycle, TwoCheckpointersAtOnce) {
  Checkpointer first(MPI_COMM_WORLD, {.directory = directory_.path() / "a"}),
      second(MPI_COMM_WORLD, {.directory = directory_.path() / "b"});
  save(first, 1);
  save(second, 2);
  save(first, 3);
  EXPECT_EQ(first.latest(), 3);
  EXPECT_EQ(second.latest(), 2);
  first.close();
  save(second, 4);
  EXPECT_EQ(second.latest(), 4);
  second.close();
}

TEST_F(Lifecycle, TheProgramIsToldOfASaveAtItsNextCall) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  std::vector<std::int64_t> told;
  const auto save_and_tell = [&](std::int64_t step) {
    value_ = step;
    const SaveFuture future = checkpointer.async_save(step, state());
    future.on_done([&told, future] { told.push_back(future.wait().step); });
    return future;
  };
  save_and_tell(1).wait();
  EXPECT_TRUE(told.empty()) << "in the middle of something else";
  EXPECT_EQ(checkpointer.latest(), 1);
  EXPECT_EQ(told, std::vector<std::int64_t>{1});
  const SaveFuture second = save_and_tell(2);
  second.on_done([&] {
    told.push_back(-2);
    throw std::runtime_error("not the library's business");
  });
  second.wait();
  save_and_tell(3);
  checkpointer.close();
  EXPECT_EQ(told, (std::vector<std::int64_t>{1, -2, 3}));
}

TEST_F(Lifecycle, PartsOfTheWorldSaveOnTheirOwn) {
  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank_ % 2, rank_, &half);
  Checkpointer checkpointer(half, {.directory = directory_.path() / std::to_string(rank_ % 2)});
  MPI_Comm_free(&half);  // the Checkpointer has a duplicate
  save(checkpointer, 10 + rank_ % 2);
  EXPECT_EQ(checkpointer.latest(), 10 + rank_ % 2);
  checkpointer.close();
}

TEST_F(Lifecycle, ASecondRunInTheDirectoryIsRefusedAndToldByWhom) {
  MPI_Comm run = MPI_COMM_NULL;  // rank 0 is the first, the others are the second; this program is one to each of them
  MPI_Comm_split(MPI_COMM_WORLD, rank_ == 0 ? 0 : 1, rank_, &run);
  const char* const of_an_array[][2] = {
      {"SLURM_JOB_ID", "12"}, {"SLURM_ARRAY_JOB_ID", "10"}, {"SLURM_ARRAY_TASK_ID", "2"}};
  std::optional<Checkpointer> holder;
  for (const auto& [variable, value] : of_an_array) setenv(variable, value, 1);
  if (rank_ == 0) holder.emplace(run, Options{.directory = directory_.path() / "ckpt"});
  for (const auto& [variable, value] : of_an_array) unsetenv(variable);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank_ != 0)
    expect_same_error(run, ErrorCode::in_use,
                      {(directory_.path() / "ckpt").string(), "pid", "Slurm job 12 (task 2 of array 10)"},
                      [&] { Checkpointer(run, {.directory = directory_.path() / "ckpt", .launch_timeout_s = 4}); });
  MPI_Barrier(MPI_COMM_WORLD);
  if (holder) {
    save(*holder, 1);
    holder->close();
  }
  MPI_Comm_free(&run);
  MPI_Barrier(MPI_COMM_WORLD);
  Checkpointer next(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  EXPECT_EQ(next.latest(), 1);
  next.close();
}

TEST_F(Lifecycle, AfterCloseEverythingElseIsRefused) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  const SaveFuture last = checkpointer.async_save(1, state());
  checkpointer.close();
  EXPECT_NO_THROW(checkpointer.close());
  EXPECT_EQ(last.wait().step, 1) << "a future outlives its Checkpointer";
  StateDict any = state();
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_state, {"closed"}, [&] { checkpointer.async_save(2, any); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_state, {"closed"}, [&] { checkpointer.load(any); });
}

TEST_F(Lifecycle, ReadOnlyLoadsAndStartsNothing) {
  Checkpointer writer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  save(writer, 5);
  Checkpointer reader(MPI_COMM_WORLD,
                      {.directory = directory_.path() / "ckpt", .read_only = true, .helper_program = "/nowhere"});
  StateDict wanted = state();
  value_ = 0;
  EXPECT_EQ(reader.load(wanted).step, 5);
  EXPECT_EQ(value_, 5);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_state, {"read_only"}, [&] { reader.async_save(6, wanted); });
  reader.close();
  writer.close();
}

TEST_F(Lifecycle, CloseThrowsTheFailureThatNobodyWaitedFor) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  save(checkpointer, 1);
  if (rank_ == 0) std::filesystem::remove_all(directory_.path() / "ckpt");
  MPI_Barrier(MPI_COMM_WORLD);
  checkpointer.async_save(2, state());
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {(directory_.path() / "ckpt").string()},
                    [&] { checkpointer.close(); });
}

TEST_F(Lifecycle, WaitTimesOutAndCanBeRepeated) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  std::vector<float> memory(8 << 20);
  StateDict large;
  large.add("w", replicated(memory.data(), DType::f32, {memory.size()}));
  const SaveFuture save = checkpointer.async_save(1, large);
  try {
    save.wait(std::chrono::duration<double>(0));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::timeout);
  }
  EXPECT_EQ(save.wait().step, 1);
  EXPECT_TRUE(save.ready());
  checkpointer.close();
}

TEST_F(Lifecycle, AnIdleHelperUsesNoCpu) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  save(checkpointer, 1);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank_ == 0) {
    const std::vector<int> helpers = helpers_of_this_job();
    ASSERT_EQ(helpers.size(), 1U);
    const double before_s = cpu_seconds(helpers[0]);
    std::this_thread::sleep_for(std::chrono::seconds(3));  // the time over which idleness is measured
    EXPECT_LT(cpu_seconds(helpers[0]) - before_s, 0.03) << "an idle helper took more than 1 % of a core";
  }
  MPI_Barrier(MPI_COMM_WORLD);
  checkpointer.close();
}

/// "Cpus_allowed_list" of each thread.
std::set<std::string> cores_of(int pid) {
  std::set<std::string> lists;
  for (const auto& thread : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid))) {
    std::ifstream status(thread.path() / "status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("Cpus_allowed_list:")) lists.insert(line.substr(line.find('\t') + 1));
  }
  return lists;
}

TEST_F(Lifecycle, HelpersRunOnTheCoresThatTheyAreGiven) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(1, sizeof allowed, &allowed), 0);  // not this process's: mpirun may have bound it
  int last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(last, &allowed)) --last;
  Checkpointer checkpointer(MPI_COMM_WORLD,
                            {.directory = directory_.path() / "ckpt", .helper_cores = std::to_string(last)});
  save(checkpointer, 1);
  if (rank_ == 0) {
    for (const int helper : helpers_of_this_job())
      EXPECT_EQ(cores_of(helper), std::set<std::string>{std::to_string(last)});
  }
  MPI_Barrier(MPI_COMM_WORLD);
  checkpointer.close();
}

TEST_F(Lifecycle, CoresThatHelpersCannotHaveAreRefused) {
  for (const char* cores : {"0-", "1023"}) {
    SCOPED_TRACE(cores);
    try {
      const Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt", .helper_cores = cores});
      ADD_FAILURE() << "it was made";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_NE(std::string(error.what()).find(cores), std::string::npos);
    }
  }
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  save(checkpointer, 1);
  checkpointer.close();
}

TEST_F(Lifecycle, HelpersLeaveAfterClose) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  save(checkpointer, 1);
  MPI_Barrier(MPI_COMM_WORLD);
  checkpointer.close();
  if (rank_ == 0) {
    EXPECT_TRUE(within(std::chrono::seconds(10), [] { return helpers_of_this_job().empty(); }));
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

/// Memory and descriptors of rank and helper after 100 saves are those after 20.
TEST_F(Lifecycle, AHundredSavesLeaveMemoryAndDescriptorsAsTheyWere) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt", .keep_last = 2});
  std::vector<float> memory(1 << 18);
  StateDict some = state();
  some.add("w", replicated(memory.data(), DType::f32, {memory.size()}));
  const auto saves = [&](int count) {
    for (int step = 0; step < count; ++step) checkpointer.async_save(step, some).wait();
    MPI_Barrier(MPI_COMM_WORLD);
  };
  saves(20);
  std::vector<int> watched = {getpid()};
  if (rank_ == 0) watched.push_back(helpers_of_this_job().at(0));
  std::vector<ProcessUse> before;
  for (const int pid : watched) before.push_back(use_of(pid));
  saves(100);
  for (std::size_t i = 0; i < watched.size(); ++i) {
    const ProcessUse after = use_of(watched[i]);
    EXPECT_EQ(after.descriptors, before[i].descriptors) << "process " << watched[i];
    EXPECT_LT(after.resident_bytes, before[i].resident_bytes + (2 << 20)) << "process " << watched[i];
  }
  MPI_Barrier(MPI_COMM_WORLD);
  checkpointer.close();
}

}  // namespace
}  // namespace holdfast::test
