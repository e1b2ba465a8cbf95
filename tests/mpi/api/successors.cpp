// A Checkpointer that went without close(), as an exception makes it go, and the next one: it gets the directory at
// once, and what was saved is there. One that still lives is in use, and is said to be this program's.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <holdfast/checkpointer.hpp>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/mappings.hpp"
#include "support/mpi_fixture.hpp"
#include "support/processes.hpp"

namespace holdfast::test {
namespace {

using std::chrono::seconds;

class Successors : public testing::Test {
 protected:
  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory directory_;
  std::vector<double> memory_ = std::vector<double>(1 << 20, 1.0);

  /// With that time to start, a lock is waited for longer than a test may last.
  [[nodiscard]] Options options() const { return {.directory = directory_.path() / "ckpt", .launch_timeout_s = 600}; }
  StateDict state() {
    StateDict state;
    state.add("x", shard(memory_.data(), DType::f64,
                         {.global = {static_cast<std::uint64_t>(ranks_), memory_.size()},
                          .offset = {static_cast<std::uint64_t>(rank_), 0},
                          .extent = {1, memory_.size()}}));
    return state;
  }
  SaveFuture save(Checkpointer& checkpointer, std::int64_t step) {
    memory_.assign(memory_.size(), static_cast<double>(step));
    return checkpointer.async_save(step, state());
  }
  void expect_loads(Checkpointer& checkpointer, std::int64_t step) {
    memory_.assign(memory_.size(), -1);
    StateDict wanted = state();
    EXPECT_EQ(checkpointer.load(wanted).step, step);
    EXPECT_EQ(memory_.front(), static_cast<double>(step));
    EXPECT_EQ(memory_.back(), static_cast<double>(step));
  }
  /// In far less time than a lock is waited for.
  static void expect_soon(const std::function<void()>& what) {
    const double start_s = MPI_Wtime();
    what();
    EXPECT_LT(MPI_Wtime() - start_s, 60);
  }
};

TEST_F(Successors, OneAfterTheOtherInTheSameScope) {
  expect_soon([&] {
    for (std::int64_t step = 1; step <= 3; ++step) {
      Checkpointer checkpointer(MPI_COMM_WORLD, options());
      save(checkpointer, step).wait();
      EXPECT_EQ(checkpointer.latest(), step);
    }
  });
}

TEST_F(Successors, AnotherTryWithMoreMemory) {
  Options small = options();
  small.memory_limit_bytes = 1;
  expect_soon([&] {
    expect_same_error(MPI_COMM_WORLD, ErrorCode::out_of_memory, {}, [&] {
      Checkpointer checkpointer(MPI_COMM_WORLD, small);
      save(checkpointer, 1);
    });
    Checkpointer checkpointer(MPI_COMM_WORLD, options());
    EXPECT_EQ(save(checkpointer, 1).wait().step, 1);
    checkpointer.close();
  });
}

TEST_F(Successors, ASaveUnderWayIsCommitted) {
  SaveFuture last;
  try {
    Checkpointer checkpointer(MPI_COMM_WORLD, options());
    save(checkpointer, 1);
    last = save(checkpointer, 2);
    throw std::runtime_error("the program's own");
  } catch (const std::runtime_error&) {
  }
  expect_soon([&] {
    Checkpointer checkpointer(MPI_COMM_WORLD, options());
    EXPECT_EQ(checkpointer.latest(), 2);
    expect_loads(checkpointer, 2);
    EXPECT_EQ(last.wait().step, 2);
    EXPECT_EQ(save(checkpointer, 3).wait().step, 3);
    checkpointer.close();
  });
}

/// Also for a directory of its own: nothing of the former one stays.
TEST_F(Successors, HelperAndArenasAreGivenBack) {
  const std::uint64_t without = arena_bytes_mapped(), arena = memory_.size() * sizeof(double);
  { save(*std::make_unique<Checkpointer>(MPI_COMM_WORLD, options()), 1); }
  EXPECT_GE(arena_bytes_mapped(), without + arena) << "the arena that is to go";
  Checkpointer next(MPI_COMM_WORLD, {.directory = directory_.path() / "another"});
  EXPECT_EQ(helpers_of_this_job().size(), 1U);
  EXPECT_LT(arena_bytes_mapped(), without + arena);
  next.close();
}

TEST_F(Successors, AFailureThatNobodySawIsLogged) {
  {
    Checkpointer checkpointer(MPI_COMM_WORLD, options());
    save(checkpointer, 1).wait();
    if (rank_ == 0) std::filesystem::remove_all(options().directory);
    MPI_Barrier(MPI_COMM_WORLD);
    save(checkpointer, 2);
  }
  testing::internal::CaptureStderr();
  Checkpointer(MPI_COMM_WORLD, options()).close();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("destroyed without close()"), log.npos) << log;
  EXPECT_NE(log.find("ckpt"), log.npos) << log;
}

TEST_F(Successors, OneThatLivesIsInUse) {
  Checkpointer living(MPI_COMM_WORLD, options());
  save(living, 1).wait();
  if (rank_ == 0) std::filesystem::create_directory_symlink(options().directory, directory_.path() / "link");
  MPI_Barrier(MPI_COMM_WORLD);
  for (const auto& name : {options().directory, directory_.path() / "link", directory_.path() / "." / "ckpt"}) {
    Options again = options();
    again.directory = name;
    expect_soon([&] {
      expect_same_error(MPI_COMM_WORLD, ErrorCode::in_use, {"of this program", "close()"},
                        [&] { Checkpointer(MPI_COMM_WORLD, again); });
    });
  }
  Options reading = options();
  reading.read_only = true;
  Checkpointer reader(MPI_COMM_WORLD, reading);
  expect_loads(reader, 1);
  reader.close();
  EXPECT_EQ(save(living, 2).wait().step, 2) << "it was not disturbed";
  living.close();
}

TEST_F(Successors, OneThatLivesOnSomeRanksIsInUseOnAll) {
  std::optional<Checkpointer> former(std::in_place, MPI_COMM_WORLD, options());
  save(*former, 1);
  if (rank_ != 0) former.reset();
  expect_soon([&] {
    expect_same_error(MPI_COMM_WORLD, ErrorCode::in_use, {"of this program", "close()"},
                      [&] { Checkpointer(MPI_COMM_WORLD, options()); });
    former.reset();
    Checkpointer next(MPI_COMM_WORLD, options());
    expect_loads(next, 1);
    next.close();
  });
}

TEST_F(Successors, OneWhoseRanksAreNotAllThereWaitsForThem) {
  { save(*std::make_unique<Checkpointer>(MPI_COMM_WORLD, options()), 1); }
  MPI_Comm alone = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank_ == 0 ? 0 : MPI_UNDEFINED, 0, &alone);
  if (alone != MPI_COMM_NULL && ranks_ > 1) {
    expect_same_error(alone, ErrorCode::in_use, {"without close()", "all of its ranks"},
                      [&] { Checkpointer(alone, options()); });
    Checkpointer elsewhere(alone, {.directory = directory_.path() / "elsewhere"});
    elsewhere.close();
  }
  if (alone != MPI_COMM_NULL) MPI_Comm_free(&alone);
  expect_soon([&] {
    Checkpointer next(MPI_COMM_WORLD, options());
    expect_loads(next, 1);
    next.close();
  });
}

TEST_F(Successors, AnAssignedOneReplacesTheFormer) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "first"});
  save(checkpointer, 1);
  checkpointer = Checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "second"});
  save(checkpointer, 2).wait();
  checkpointer = Checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "first"});
  EXPECT_EQ(checkpointer.latest(), 1);
  checkpointer.close();
}

}  // namespace
}  // namespace holdfast::test
