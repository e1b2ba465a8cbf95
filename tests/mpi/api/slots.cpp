// Which arena a save gets: layouts that change while a save is being written, tensors that grow, plans that come again.
#include <gtest/gtest.h>

#include <algorithm>
#include <holdfast/checkpointer.hpp>
#include <numeric>
#include <optional>

#include "support/address_space.hpp"
#include "support/mappings.hpp"
#include "support/mpi_fixture.hpp"
#include "support/sticky_helper.hpp"

namespace holdfast::test {
namespace {

/// One tensor, cut by ranks, and a value, whose numbers tell layout and step.
struct Content {
  Content(std::uint64_t elements_per_rank, std::int64_t salt)
      : first(static_cast<std::uint64_t>(rank_in(MPI_COMM_WORLD)) * elements_per_rank),
        epoch(salt),
        numbers(elements_per_rank) {
    std::iota(numbers.begin(), numbers.end(), static_cast<double>(first) + 1e9 * static_cast<double>(salt));
  }
  [[nodiscard]] StateDict state() {
    const auto ranks = static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD));
    StateDict state;
    state.add("numbers", shard(numbers.data(), DType::f64,
                               {.global = {numbers.size() * ranks}, .offset = {first}, .extent = {numbers.size()}}));
    state.add("epoch", epoch);
    return state;
  }
  bool operator==(const Content&) const = default;

  std::uint64_t first = 0;
  std::int64_t epoch = 0;
  std::vector<double> numbers;
};

/// Mappings end where pages do.
constexpr std::uint64_t allowance_bytes = 2 * 4096;
constexpr std::uint64_t small = 100'000, large = 150'000, larger = 200'000;

class Slots : public testing::Test {
 protected:
  [[nodiscard]] Options sticky(std::uint64_t memory_limit_bytes = 0) const {
    return {.directory = dir_, .memory_limit_bytes = memory_limit_bytes, .helper_program = helper_.program()};
  }
  void expect_loaded(Checkpointer& checkpointer, std::int64_t step, std::uint64_t elements) {
    Content loaded(elements, 0);
    StateDict state = loaded.state();
    EXPECT_EQ(checkpointer.load(state, {.step = step}).step, step);
    EXPECT_EQ(loaded, Content(elements, step));
  }
  static SaveFuture save(Checkpointer& checkpointer, std::int64_t step, std::uint64_t elements,
                         const SaveOptions& options = {}) {
    Content content(elements, step);
    SaveFuture save = checkpointer.async_save(step, content.state(), options);
    save.wait_staged();
    return save;
  }

  SharedDirectory directory_;
  std::filesystem::path dir_ = directory_.path() / "ckpt";
  StickyHelper helper_{directory_.path(), HOLDFAST_STUCK_FSYNC};
};

TEST_F(Slots, AnotherLayoutNeedsAFreeArenaAndNotTheEndOfTheSaveInFlight) {
  Checkpointer checkpointer(MPI_COMM_WORLD, sticky());
  helper_.stick();
  const SaveFuture first = save(checkpointer, 1, small);
  const SaveFuture second = save(checkpointer, 2, large, {.when_busy = WhenBusy::skip});
  EXPECT_FALSE(second.skipped());
  EXPECT_FALSE(first.ready()) << "it was waited for";
  EXPECT_TRUE(save(checkpointer, 3, larger, {.when_busy = WhenBusy::skip}).skipped());
  expect_same_error(MPI_COMM_WORLD, ErrorCode::busy, {"no arena is free"},
                    [&] { save(checkpointer, 4, larger, {.when_busy = WhenBusy::fail}); });
  EXPECT_FALSE(first.ready()) << "skip and fail waited for it";
  helper_.let_go();
  const SaveFuture fifth = save(checkpointer, 5, larger);
  EXPECT_TRUE(first.ready()) << "its arena was taken before it was written";
  EXPECT_EQ(fifth.wait().step, 5);
  expect_loaded(checkpointer, 1, small);
  expect_loaded(checkpointer, 2, large);
  expect_loaded(checkpointer, 5, larger);
  EXPECT_EQ(checkpointer.latest(), 5);
  checkpointer.close();
}

TEST_F(Slots, ASaveThatMayNotOverwriteIsRefused) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_});
  const SaveOptions once{.overwrite = false};
  save(checkpointer, 1, small, once).wait();
  const auto again = [&](std::int64_t step) {
    expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_state,
                      {"there is a checkpoint of step", "SaveOptions::overwrite"},
                      [&] { save(checkpointer, step, small, once); });
  };
  again(1);
  const SaveFuture second = save(checkpointer, 2, small);
  again(2);
  second.wait();
  save(checkpointer, 1, large).wait();
  expect_loaded(checkpointer, 1, large);
  checkpointer.close();
}

TEST_F(Slots, LayoutsInTurnArePlannedOnceEach) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_});
  for (std::int64_t step = 1; step <= 6; ++step) {
    const SaveStats stats = save(checkpointer, step, step % 2 == 0 ? large : small).wait();
    EXPECT_EQ(stats.plan_cached, step > 2);
    EXPECT_EQ(stats.arena_made, step <= 2);
  }
  EXPECT_FALSE(save(checkpointer, 7, larger).wait().plan_cached);
  EXPECT_TRUE(save(checkpointer, 8, large).wait().plan_cached) << "the one before";
  EXPECT_FALSE(save(checkpointer, 9, small).wait().plan_cached) << "the one before that";
  for (std::int64_t step = 1; step <= 9; ++step)
    expect_loaded(checkpointer, step, step == 7 ? larger : step % 2 == 0 ? large : small);
  checkpointer.close();
}

/// A plan comes to the helper while a save by another one is still being staged, and a third pushes out the first.
TEST_F(Slots, LayoutsThatChangeWhileTheTensorsAreStillBeingCopied) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_});
  constexpr std::uint64_t sizes[] = {small, large, larger, small + 1, large, small};
  std::vector<Content> contents;
  for (std::int64_t step = 0; step < 6; ++step) contents.emplace_back(sizes[step], step);
  std::vector<SaveFuture> saves;
  for (std::int64_t step = 0; step < 6; ++step)
    saves.push_back(
        checkpointer.async_save(step, contents[static_cast<std::size_t>(step)].state(), {.overlap_staging = true}));
  for (const SaveFuture& save : saves) EXPECT_NO_THROW(save.wait());
  for (std::int64_t step = 0; step < 6; ++step) expect_loaded(checkpointer, step, sizes[step]);
  checkpointer.close();
}

TEST_F(Slots, ATensorThatGrowsALittleSeldomNeedsAnotherArena) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_, .keep_last = 2});
  int made = 0;
  std::uint64_t elements = small;
  for (std::int64_t step = 0; step < 100; ++step, elements += small / 1000)
    made += save(checkpointer, step, elements).wait().arena_made ? 1 : 0;
  EXPECT_EQ(made, 2) << "the first, and one with head room for an eighth more";
  expect_loaded(checkpointer, 99, elements - small / 1000);
  checkpointer.close();
}

TEST_F(Slots, ATensorThatGrowsWithTwoSavesInFlightSeldomNeedsAnotherArena) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_, .keep_last = 2});
  int made = 0;
  std::uint64_t elements = small;
  SaveFuture last = save(checkpointer, 0, elements);
  for (std::int64_t step = 1; step < 100; ++step) {
    elements += small / 1000;
    const SaveFuture next = save(checkpointer, step, elements);
    made += std::exchange(last, next).wait().arena_made ? 1 : 0;
  }
  made += last.wait().arena_made ? 1 : 0;
  EXPECT_LE(made, 4) << "in each slot, the first and one with head room";
  expect_loaded(checkpointer, 99, elements);
  checkpointer.close();
}

TEST_F(Slots, AnArenaThatOneRankCannotMapIsAnErrorOnAllRanks) {
  constexpr std::uint64_t mebibyte = 1 << 20, elements = 64 * mebibyte / sizeof(double);
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_});
  save(checkpointer, 1, small).wait();
  {
    Content content(elements, 2);
    const StateDict state = content.state();
    std::optional<LimitedAddressSpace> limited;
    if (rank_in(MPI_COMM_WORLD) == size_of_comm(MPI_COMM_WORLD) - 1) limited.emplace(32 * mebibyte);
    expect_same_error(MPI_COMM_WORLD, ErrorCode::out_of_memory, {"mapped"}, [&] { checkpointer.async_save(2, state); });
  }
  EXPECT_EQ(save(checkpointer, 3, elements).wait().step, 3);
  expect_loaded(checkpointer, 3, elements);
  checkpointer.close();
}

TEST_F(Slots, HeadRoomDoesNotCostTheSecondArena) {
  const std::uint64_t node_bytes = large * sizeof(double) * static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD));
  Checkpointer checkpointer(MPI_COMM_WORLD, sticky(2 * node_bytes + node_bytes / 16));
  save(checkpointer, 1, large - 2000).wait();
  EXPECT_TRUE(save(checkpointer, 2, large - 1000).wait().arena_made);
  helper_.stick();
  const SaveFuture third = save(checkpointer, 3, large - 1000);
  EXPECT_FALSE(save(checkpointer, 4, large - 1000, {.when_busy = WhenBusy::skip}).skipped());
  EXPECT_FALSE(third.ready());
  helper_.let_go();
  checkpointer.close();
}

/// The large layout has one arena; what the small one has in flight beside it is in its way.
TEST_F(Slots, WhereOneArenaFitsASaveInFlightIsWaitedForOrNot) {
  const std::uint64_t node_bytes = large * sizeof(double) * static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD));
  Checkpointer checkpointer(MPI_COMM_WORLD, sticky(node_bytes + node_bytes / 3));
  helper_.stick();
  const SaveFuture first = save(checkpointer, 1, small);
  EXPECT_TRUE(save(checkpointer, 2, large, {.when_busy = WhenBusy::skip}).skipped());
  EXPECT_FALSE(first.ready());
  helper_.let_go();
  save(checkpointer, 3, large).wait();
  EXPECT_TRUE(first.ready());
  helper_.stick();
  save(checkpointer, 4, large);
  EXPECT_TRUE(save(checkpointer, 5, large, {.when_busy = WhenBusy::skip}).skipped());
  EXPECT_TRUE(save(checkpointer, 5, small, {.when_busy = WhenBusy::skip}).skipped());
  helper_.let_go();
  save(checkpointer, 6, small).wait();
  expect_loaded(checkpointer, 1, small);
  expect_loaded(checkpointer, 3, large);
  expect_loaded(checkpointer, 6, small);
  checkpointer.close();
}

/// The first rank's part becomes small and the last one's large: together they take what they took, and no more than
/// that fits.
TEST_F(Slots, PartsThatMoveBetweenRanksStayWithinTheLimit) {
  const auto ranks = static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD));
  const auto rank = static_cast<std::uint64_t>(rank_in(MPI_COMM_WORLD));
  const std::uint64_t node_bytes = (ranks + 1) * small * sizeof(double), limit_bytes = 2 * node_bytes + node_bytes / 8;
  const auto heavy_in = [&](std::int64_t step) { return step % 2 == 0 ? 0 : ranks - 1; };
  const auto part = [&](std::int64_t step, double number) {
    return std::vector<double>((rank == heavy_in(step) ? 2 : 1) * small, number);
  };
  const auto state_of = [&](std::int64_t step, std::vector<double>& numbers) {
    const Shard place{.global = {(ranks + 1) * small},
                      .offset = {(rank + (rank > heavy_in(step) ? 1 : 0)) * small},
                      .extent = {numbers.size()}};
    StateDict state;
    state.add("numbers", shard(numbers.data(), DType::f64, place));
    return state;
  };
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_, .memory_limit_bytes = limit_bytes});
  SaveFuture last;
  for (std::int64_t step = 0; step < 6; ++step) {
    std::vector<double> numbers = part(step, static_cast<double>(step));
    EXPECT_NO_THROW(last = checkpointer.async_save(step, state_of(step, numbers)));
    std::uint64_t mapped = arena_bytes_mapped();
    MPI_Allreduce(MPI_IN_PLACE, &mapped, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    EXPECT_GE(mapped, node_bytes);
    EXPECT_LE(mapped, limit_bytes + ranks * allowance_bytes) << "step " << step;
  }
  last.wait();
  for (std::int64_t step = 0; step < 6; ++step) {
    std::vector<double> loaded = part(step, -1);
    StateDict state = state_of(step, loaded);
    EXPECT_EQ(checkpointer.load(state, {.step = step}).step, step);
    EXPECT_EQ(loaded, part(step, static_cast<double>(step)));
  }
  checkpointer.close();
}

}  // namespace
}  // namespace holdfast::test
