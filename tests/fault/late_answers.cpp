// A helper that is stopped while ranks ask it for arenas, for longer than a save may take, and goes on: its answers
// come late, and what is saved afterwards is what the program had.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <holdfast/checkpointer.hpp>
#include <vector>

#include "support/mpi_fixture.hpp"
#include "support/processes.hpp"

namespace holdfast::test {
namespace {

constexpr double save_timeout_s = 3;

class LateAnswers : public testing::Test {
 protected:
  /// Rank 0 signals the helper, and waits until it has stopped.
  void signal_helper(int signal) const {
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank_ == 0) {
      const int pid = helpers_of_this_job().at(0);
      kill(pid, signal);
      if (signal == SIGSTOP) {
        EXPECT_TRUE(within(std::chrono::seconds(20), [&] { return is_stopped(pid); })) << "the helper runs on";
      }
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }
  /// One row of bytes per rank, the same in all of it.
  static StateDict state_of(std::vector<unsigned char>& bytes, int rank, int ranks) {
    StateDict state;
    const auto rows = static_cast<std::uint64_t>(ranks), row = static_cast<std::uint64_t>(rank);
    state.add("x", shard(bytes.data(), DType::u8,
                         Shard{.global = {rows, bytes.size()}, .offset = {row, 0}, .extent = {1, bytes.size()}}));
    return state;
  }
  void save_and_load(Checkpointer& checkpointer, StateDict& state, std::vector<unsigned char>& bytes, int step) const {
    const auto content = static_cast<unsigned char>(16 * step + rank_);
    std::ranges::fill(bytes, content);
    EXPECT_EQ(checkpointer.async_save(step, state).wait().step, step);
    std::ranges::fill(bytes, static_cast<unsigned char>(0xEE));
    EXPECT_EQ(checkpointer.load(state, {.step = step}).step, step);
    EXPECT_EQ(std::ranges::count(bytes, content), static_cast<std::ptrdiff_t>(bytes.size())) << "step " << step;
  }

  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory directory_;
};

TEST_F(LateAnswers, DoNotAnswerWhatIsAskedLater) {
  std::vector<unsigned char> few(1000), many(16 << 20);
  StateDict first = state_of(few, rank_, ranks_), grown = state_of(many, rank_, ranks_);
  Checkpointer checkpointer(MPI_COMM_WORLD,
                            {.directory = directory_.path() / "ckpt", .save_timeout_s = save_timeout_s});
  save_and_load(checkpointer, first, few, 1);
  signal_helper(SIGSTOP);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::timeout, {"time"}, [&] { checkpointer.async_save(2, grown).wait(); });
  signal_helper(SIGCONT);
  for (int step = 3; step < 7; ++step) save_and_load(checkpointer, grown, many, step);
  checkpointer.close();
}

}  // namespace
}  // namespace holdfast::test
