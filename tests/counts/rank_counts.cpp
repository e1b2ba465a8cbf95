// What a save in steady state makes a rank do, counted.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <ucp/api/ucp.h>

#include <atomic>
#include <cstdlib>
#include <holdfast/checkpointer.hpp>
#include <new>

#include "mpi_calls.hpp"
#include "recorded.hpp"
#include "support/mpi_fixture.hpp"

namespace {

std::atomic<long> messages = 0;
thread_local long allocations = 0;

}  // namespace

// Not inlined: GCC would see free() for what new had returned, and warn.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

extern "C" [[gnu::visibility("default")]] ucs_status_ptr_t ucp_am_send_nbx(ucp_ep_h endpoint, unsigned id,
                                                                           const void* header, size_t header_bytes,
                                                                           const void* data, size_t count,
                                                                           const ucp_request_param_t* parameters) {
  static auto* const next = reinterpret_cast<decltype(&ucp_am_send_nbx)>(dlsym(RTLD_NEXT, "ucp_am_send_nbx"));
  ++messages;
  return next(endpoint, id, header, header_bytes, data, count, parameters);
}

namespace holdfast::test {
namespace {

/// `tensors` small ones and a large one, cut over the ranks; a vector that all hold, and values.
class RankCounts : public testing::Test {
 protected:
  void fill(StateDict& state, std::uint64_t tensors) {
    const auto part = [&](std::uint64_t count) {
      return shard(memory.data(), DType::f32, {.global = {count * size}, .offset = {count * rank}, .extent = {count}});
    };
    for (std::uint64_t i = 0; i < tensors; ++i) state.add("layers/" + std::to_string(i) + "/weight", part(16));
    state.add("large", part(memory.size()));
    state.add("alike", replicated(memory.data(), DType::f32, {1000}));
    state.add("epoch", epoch);
    state.add("rate", rate);
    state.add_per_rank("random", random);
  }

  const std::uint64_t rank = static_cast<std::uint64_t>(rank_in(MPI_COMM_WORLD));
  const std::uint64_t size = static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD));
  SharedDirectory directory;
  std::vector<float> memory = std::vector<float>(1 << 20);
  std::int64_t epoch = 0;
  double rate = 0.1;
  std::vector<std::uint64_t> random = std::vector<std::uint64_t>(4, rank);
};

/// What an async_save does in this thread.
struct Counts {
  MpiCalls mpi;
  long messages = 0, allocations = 0;
  SaveStats stats;
};

Counts count_save(Checkpointer& checkpointer, const StateDict& state, std::int64_t step) {
  const MpiCalls mpi = mpi_calls();
  const long messages_before = messages, allocations_before = allocations;
  SaveFuture save = checkpointer.async_save(step, state);
  Counts counts{.mpi = {mpi_calls().collective - mpi.collective, mpi_calls().point_to_point - mpi.point_to_point},
                .messages = messages - messages_before,
                .allocations = allocations - allocations_before,
                .stats = {}};
  counts.stats = save.wait();
  return counts;
}

TEST_F(RankCounts, ASaveInSteadyState) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory.path(), .keep_last = 1});
  StateDict state;
  fill(state, 1000);
  for (std::int64_t step = 0; step < 3; ++step) checkpointer.async_save(step, state).wait();  // the plan, and the arena
  epoch = 3;
  const Counts counts = count_save(checkpointer, state, 3);
  EXPECT_TRUE(counts.stats.plan_cached);
  expect_recorded("rank.mpi_collectives_per_save", counts.mpi.collective);
  expect_recorded("rank.mpi_point_to_point_per_save", counts.mpi.point_to_point);
  expect_recorded("rank.messages_to_helper_per_save", static_cast<double>(counts.messages));
  std::uint64_t staged = counts.stats.rank_bytes;
  MPI_Allreduce(MPI_IN_PLACE, &staged, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
  expect_recorded("rank.bytes_staged_per_byte_saved",
                  static_cast<double>(staged) / static_cast<double>(counts.stats.bytes));
  checkpointer.close();
}

/// Planning looks at no tensor where none has changed; what is left grows with the copies that are made.
TEST_F(RankCounts, AllocationsPerTensor) {
  double counted[2] = {};
  for (const int more : {0, 1}) {
    StateDict state;
    fill(state, more ? 1100 : 100);
    Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory.path() / std::to_string(more), .keep_last = 1});
    for (std::int64_t step = 0; step < 3; ++step) checkpointer.async_save(step, state).wait();
    counted[more] = static_cast<double>(count_save(checkpointer, state, 3).allocations);
    checkpointer.close();
  }
  expect_recorded("rank.allocations_per_tensor", (counted[1] - counted[0]) / 1000);
}

}  // namespace
}  // namespace holdfast::test
