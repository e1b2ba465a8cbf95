// States that are larger than the memory limit: a save goes through the arena in waves, and the checkpoint is like any
// other.
#include <gtest/gtest.h>

#include <algorithm>
#include <holdfast/checkpointer.hpp>
#include <numeric>

#include "support/mpi_fixture.hpp"

namespace holdfast::test {
namespace {

constexpr std::uint64_t rows = 640, columns = 1000, pad = 24, limit_bytes = 1 << 20;

/// Some 10 MB on all ranks together: rows with ghost cells, a replicated tensor, a value, and each rank's own.
struct Content {
  Content(int rank, int ranks, float salt)
      : first(rows * static_cast<std::uint64_t>(rank) / static_cast<std::uint64_t>(ranks)),
        count(rows * static_cast<std::uint64_t>(rank + 1) / static_cast<std::uint64_t>(ranks) - first) {
    padded.assign(count * (columns + pad), -1.0F);
    for (std::uint64_t row = 0; row < count; ++row)
      std::iota(&padded[row * (columns + pad)], &padded[row * (columns + pad)] + columns,
                salt + static_cast<float>(first + row) * 1000);
    weights.resize(1 << 20);
    std::iota(weights.begin(), weights.end(), static_cast<double>(salt));
    seed.assign(static_cast<std::size_t>(rank) + 1, static_cast<std::int64_t>(salt) + rank);
  }
  [[nodiscard]] StateDict state() {
    StateDict state;
    state.add("padded", shard(padded.data(), DType::f32,
                              {.global = {rows, columns},
                               .offset = {first, 0},
                               .extent = {count, columns},
                               .stride = {columns + pad, 1}}));
    state.add("weights", replicated(weights.data(), DType::f64, {weights.size()}));
    state.add("epoch", epoch);
    state.add_per_rank("seed", seed);
    return state;
  }
  bool operator==(const Content&) const = default;

  std::uint64_t first = 0, count = 0;
  std::vector<float> padded;
  std::vector<double> weights;
  std::vector<std::int64_t> seed;
  std::int64_t epoch = 7;
};

class InWaves : public testing::Test {
 protected:
  [[nodiscard]] Content content(float salt) const {
    return {rank_in(MPI_COMM_WORLD), size_of_comm(MPI_COMM_WORLD), salt};
  }
  void expect_loaded(const Content& saved, std::int64_t step) {
    Content loaded = content(0);
    loaded.epoch = 0;
    Checkpointer reader(MPI_COMM_WORLD, {.directory = dir_, .read_only = true});
    StateDict state = loaded.state();
    EXPECT_EQ(reader.load(state).step, step);
    EXPECT_EQ(loaded, saved);
    reader.close();
  }

  SharedDirectory directory_;
  std::filesystem::path dir_ = directory_.path() / "ckpt";
};

TEST_F(InWaves, ASaveLargerThanTheLimitIsLikeAnyOther) {
  Content saved = content(3);
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_, .keep_last = 2, .memory_limit_bytes = limit_bytes});
  const StateDict state = saved.state();
  checkpointer.warm_up(state);
  for (std::int64_t step = 1; step <= 4; ++step) {
    saved.epoch = step;
    const SaveFuture save = checkpointer.async_save(step, state, {.overlap_staging = step % 2 == 0});
    save.wait_staged();
    EXPECT_EQ(save.wait().step, step);
    expect_loaded(saved, step);
  }
  checkpointer.close();
}

TEST_F(InWaves, TheCallersMemoryIsFreeOnReturn) {
  Content content_1 = content(3);
  const Content saved = content_1;
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_, .memory_limit_bytes = limit_bytes});
  const SaveFuture save = checkpointer.async_save(1, content_1.state());
  std::ranges::fill(content_1.padded, 0.0F);
  std::ranges::fill(content_1.weights, 0.0);
  save.wait();
  expect_loaded(saved, 1);
  checkpointer.close();
}

TEST_F(InWaves, AFailureIsOneErrorAndTheNextSaveWorks) {
  Content saved = content(3);
  const StateDict state = saved.state();
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_, .memory_limit_bytes = limit_bytes});
  checkpointer.async_save(1, state).wait();
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank_in(MPI_COMM_WORLD) == 0) std::filesystem::rename(dir_, dir_.string() + ".away");
  MPI_Barrier(MPI_COMM_WORLD);
  const SaveFuture save = checkpointer.async_save(2, state);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"ENOENT", dir_.string()}, [&] { save.wait(); });
  if (rank_in(MPI_COMM_WORLD) == 0) std::filesystem::rename(dir_.string() + ".away", dir_);
  MPI_Barrier(MPI_COMM_WORLD);
  checkpointer.async_save(3, state).wait();
  expect_loaded(saved, 3);
  checkpointer.close();
}

TEST_F(InWaves, WhatCannotBeCutIsAnErrorOnAllRanks) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_, .memory_limit_bytes = limit_bytes});
  std::vector<std::int64_t> large(1 << 18, 5);
  Content fits = content(1);
  StateDict state = fits.state();
  state.add("too large", large);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::out_of_memory, {"too large", "memory_limit_bytes"},
                    [&] { checkpointer.warm_up(state); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::out_of_memory, {"too large"},
                    [&] { checkpointer.async_save(1, state); });
  checkpointer.async_save(2, fits.state()).wait();
  checkpointer.close();
}

}  // namespace
}  // namespace holdfast::test
