// A state of 32 MiB on a node whose /dev/shm is small: run by small_shared_memory.sh, which mounts it.
#include <gtest/gtest.h>

#include <holdfast/checkpointer.hpp>
#include <numeric>

#include "support/mpi_fixture.hpp"
#include "support/sticky_helper.hpp"

namespace holdfast::test {
namespace {

constexpr std::uint64_t state_bytes = 32 << 20;

class SmallSharedMemory : public testing::Test {
 protected:
  [[nodiscard]] std::vector<std::int64_t> content(std::int64_t step) const {
    std::vector<std::int64_t> numbers(state_bytes / sizeof(std::int64_t) / ranks_);
    std::iota(numbers.begin(), numbers.end(), step * 1'000'000'000 + static_cast<std::int64_t>(numbers.size() * rank_));
    return numbers;
  }
  [[nodiscard]] StateDict state_of(std::vector<std::int64_t>& numbers) const {
    StateDict state;
    state.add(
        "numbers",
        shard(numbers.data(), DType::i64,
              {.global = {numbers.size() * ranks_}, .offset = {numbers.size() * rank_}, .extent = {numbers.size()}}));
    return state;
  }
  SaveFuture save(std::int64_t step, WhenBusy when_busy = WhenBusy::wait) {
    std::vector<std::int64_t> numbers = content(step);
    return checkpointer_.async_save(step, state_of(numbers), {.when_busy = when_busy});
  }
  void expect_loaded(std::int64_t step) {
    std::vector<std::int64_t> numbers(content(0).size());
    StateDict state = state_of(numbers);
    EXPECT_EQ(checkpointer_.load(state, {.step = step}).step, step);
    EXPECT_EQ(numbers, content(step));
  }

  std::uint64_t rank_ = static_cast<std::uint64_t>(rank_in(MPI_COMM_WORLD));
  std::uint64_t ranks_ = static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD));
  SharedDirectory directory_;
  StickyHelper helper_{directory_.path(), HOLDFAST_STUCK_FSYNC};
  Checkpointer checkpointer_{MPI_COMM_WORLD,
                             {.directory = directory_.path() / "ckpt", .helper_program = helper_.program()}};
};

TEST_F(SmallSharedMemory, RoomForTwo) {
  helper_.stick();
  const SaveFuture first = save(1);
  EXPECT_FALSE(save(2, WhenBusy::skip).skipped());
  EXPECT_FALSE(first.ready());
  EXPECT_TRUE(save(3, WhenBusy::skip).skipped());
  helper_.let_go();
  checkpointer_.close();
}

TEST_F(SmallSharedMemory, RoomForOne) {
  std::vector<std::int64_t> numbers = content(0);
  checkpointer_.warm_up(state_of(numbers));
  helper_.stick();
  const SaveFuture first = save(1);
  EXPECT_TRUE(save(2, WhenBusy::skip).skipped());
  EXPECT_FALSE(first.ready());
  helper_.let_go();
  save(3).wait();
  EXPECT_TRUE(first.ready());
  expect_loaded(1);
  expect_loaded(3);
  checkpointer_.close();
}

TEST_F(SmallSharedMemory, RoomForWaves) {
  for (std::int64_t step = 1; step <= 2; ++step) EXPECT_EQ(save(step).wait().step, step);
  expect_loaded(1);
  expect_loaded(2);
  std::vector<std::int64_t> value(state_bytes / sizeof(std::int64_t), 7);
  StateDict state;
  state.add("too large", value);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::out_of_memory, {"too large", "/dev/shm"},
                    [&] { checkpointer_.warm_up(state); });
  save(3).wait();
  expect_loaded(3);
  checkpointer_.close();
}

}  // namespace
}  // namespace holdfast::test
