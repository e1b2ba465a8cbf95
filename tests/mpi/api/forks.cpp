// A program that forks, as one that runs a script does: whatever a child does with its copy of a Checkpointer, its
// parent's goes on.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <holdfast/checkpointer.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/mpi_fixture.hpp"
#include "support/processes.hpp"

namespace holdfast::test {
namespace {

using std::chrono::seconds;

/// Global, as many programs have it: exit() destroys it.
std::optional<Checkpointer> checkpointer;

class Forks : public testing::Test {
 protected:
  SharedDirectory directory_;
  std::vector<double> memory_ = std::vector<double>(1 << 20, 1.0);

  void SetUp() override {
    checkpointer.emplace(MPI_COMM_WORLD, Options{.directory = directory_.path() / "ckpt"});
    checkpointer->async_save(1, state()).wait();
  }
  void TearDown() override { checkpointer.reset(); }

  StateDict state() {
    StateDict state;
    state.add("x", replicated(memory_.data(), DType::f64, {memory_.size()}));
    return state;
  }

  /// The exit status of a child that does this; -1 where it did not end by itself.
  static int status_of_child(const std::function<void()>& what) {
    const pid_t child = fork();
    if (child == 0) {
      what();
      std::_Exit(99);
    }
    int status = 0;
    const bool ended = within(seconds(30), [&] { return waitpid(child, &status, WNOHANG) == child; });
    EXPECT_TRUE(ended) << "the child hangs";
    if (!ended) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  /// Saves go on, are awake when the helper answers, and can be loaded.
  void expect_all_well() {
    double quickest_s = 1e9;
    for (std::int64_t step = 2; step < 7; ++step) {
      const double start_s = MPI_Wtime();
      memory_.assign(memory_.size(), static_cast<double>(step));
      checkpointer->async_save(step, state()).wait();
      quickest_s = std::min(quickest_s, MPI_Wtime() - start_s);
    }
    EXPECT_LT(quickest_s, 0.4)
        << "no save heard of its end at once: the helper was asked after half a second each time";
    memory_.assign(memory_.size(), 0);
    StateDict wanted = state();
    EXPECT_EQ(checkpointer->load(wanted).step, 6);
    EXPECT_EQ(memory_.front(), 6);
    EXPECT_EQ(memory_.back(), 6);
    EXPECT_NO_THROW(checkpointer->close());
  }
};

TEST_F(Forks, AChildThatExits) {
  EXPECT_EQ(status_of_child([] { std::exit(7); }), 7);
  expect_all_well();
}

TEST_F(Forks, AChildThatExitsQuickly) {
  EXPECT_EQ(status_of_child([] { std::quick_exit(7); }), 7);
  expect_all_well();
}

TEST_F(Forks, AChildWhoseStackUnwinds) {
  const int status = status_of_child([&] {
    try {
      Checkpointer mine = std::move(*checkpointer);
      const SaveFuture none;
      throw std::runtime_error("the program's own");
    } catch (const std::runtime_error&) {
      std::exit(7);
    }
  });
  EXPECT_EQ(status, 7);
  expect_all_well();
}

TEST_F(Forks, AChildThatDropsASaveUnderWay) {
  {
    SaveFuture save = checkpointer->async_save(2, state(), {.overlap_staging = true});
    const int status = status_of_child([&] {
      checkpointer.reset();
      save = {};
      std::exit(7);
    });
    EXPECT_EQ(status, 7);
    EXPECT_EQ(save.wait().step, 2);
  }
  expect_all_well();
}

TEST_F(Forks, AChildThatDropsTheFutureOfAClosedCheckpointer) {
  SaveFuture save = checkpointer->async_save(2, state());
  checkpointer->close();
  checkpointer.emplace(MPI_COMM_WORLD, Options{.directory = directory_.path() / "other"});
  EXPECT_EQ(status_of_child([&] { std::exit((save = {}, 7)); }), 7);
  EXPECT_EQ(save.wait().step, 2);
  expect_all_well();
}

/// Says what the call threw, by an exit status: 7 for an invalid_state that names the parent.
void exit_by_error(const std::function<void()>& call) {
  const std::string parent = fmt::format("process {}", getppid());
  try {
    call();
  } catch (const Error& error) {
    std::exit(error.code() == ErrorCode::invalid_state && std::string(error.what()).find(parent) != std::string::npos
                  ? 7
                  : 8);
  }
}

TEST_F(Forks, AChildIsTold) {
  const SaveFuture save = checkpointer->async_save(2, state());
  StateDict any = state();
  const std::vector<std::function<void()>> calls = {[&] { checkpointer->async_save(3, any); },
                                                    [&] { checkpointer->load(any); },
                                                    [&] { static_cast<void>(checkpointer->requests()); },
                                                    [&] { checkpointer->close(); },
                                                    [&] { static_cast<void>(save.wait()); },
                                                    [&] { static_cast<void>(save.ready()); }};
  for (const auto& call : calls) EXPECT_EQ(status_of_child([&] { exit_by_error(call); }), 7);
  expect_all_well();
}

TEST_F(Forks, AChildThatStaysHoldsUpNobody) {
  EXPECT_GT(fork_one_that_stays(), 0);
  expect_all_well();
}

}  // namespace
}  // namespace holdfast::test
