// Saves leave nothing behind in the memory of rank and helper. What the heap has in use is counted, not the resident
// memory, which also grows by fragmentation.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <fstream>
#include <holdfast/checkpointer.hpp>
#include <iterator>
#include <vector>

#include "support/mpi_fixture.hpp"
#include "support/sample_tensor.hpp"

namespace holdfast::test {
namespace {

constexpr int warm_saves = 50, counted_saves = 200;
/// A leak loses that much with each save, or the test does not see it.
constexpr std::int64_t least_leak_bytes = 50;

std::int64_t heap_in_use() {
  const struct mallinfo2 heap = mallinfo2();
  return static_cast<std::int64_t>(heap.uordblks + heap.hblkhd);
}

/// A helper program that notes in `notes` what its heap has in use. Chunks that threads keep for themselves would count
/// as used.
void make_noting_helper(const std::filesystem::path& script, const std::filesystem::path& notes) {
  std::ofstream(script) << "#!/bin/sh\nexec env GLIBC_TUNABLES=glibc.malloc.tcache_count=0 HEAP_IN_USE=" << notes
                        << " LD_PRELOAD=" << HOLDFAST_HEAP_IN_USE << ' ' << std::getenv("HOLDFAST_HELPER")
                        << " \"$@\"\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
}

void expect_no_growth_in(const std::filesystem::path& notes) {
  std::ifstream file(notes);
  const std::vector<std::int64_t> in_use{std::istream_iterator<std::int64_t>(file), {}};
  ASSERT_EQ(in_use.size(), static_cast<std::size_t>(warm_saves + counted_saves));
  const std::int64_t growth = in_use.back() - in_use[warm_saves - 1];
  std::printf("helper: %+ld bytes in %d saves\n", growth, counted_saves);
  EXPECT_LT(growth, least_leak_bytes * counted_saves) << "in the helper";
}

TEST(MemoryGrowth, SavesLeaveNothingInTheHeaps) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's heap does not say what is in use";
#endif
  const int rank = rank_in(MPI_COMM_WORLD);
  const SharedDirectory directory;
  const std::filesystem::path notes = directory.path() / "notes", program = directory.path() / "noting-helper";
  if (rank == 0) make_noting_helper(program, notes);
  MPI_Barrier(MPI_COMM_WORLD);

  const std::uint64_t ranks = static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD)),
                      row = static_cast<std::uint64_t>(rank);
  SampleTensor tensor{"w", DType::f32, {ranks, 1000}, Box{{row, 0}, {1, 1000}}, 5};
  tensor.fill();
  std::int64_t step = 0;
  StateDict state;
  state.add(tensor.name(), tensor.view());
  state.add("step", step);
  Checkpointer checkpointer(MPI_COMM_WORLD,
                            {.directory = directory.path() / "ckpt", .keep_last = 2, .helper_program = program});
  const auto save = [&] { checkpointer.async_save(++step, state).wait(); };
  while (step < warm_saves) save();
  const std::int64_t before = heap_in_use();
  while (step < warm_saves + counted_saves) save();
  const std::int64_t growth = heap_in_use() - before;
  if (rank == 0) std::printf("rank: %+ld bytes in %d saves\n", growth, counted_saves);
  EXPECT_LT(growth, least_leak_bytes * counted_saves) << "in rank " << rank;
  checkpointer.close();

  if (rank == 0) expect_no_growth_in(notes);
  MPI_Barrier(MPI_COMM_WORLD);
}

}  // namespace
}  // namespace holdfast::test
