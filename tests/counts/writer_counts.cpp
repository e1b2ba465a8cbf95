// What a save makes a helper do with the direct engine, counted: collective calls, system calls, and bytes that are
// copied before they are written. In the writers' own processes, without io_uring, whose writes no function of the C
// library makes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>

#include "mpi/storage/every_engine.hpp"
#include "mpi/storage/system_calls.hpp"
#include "mpi_calls.hpp"
#include "plan/assign.hpp"
#include "recorded.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/write/hdf5_file.hpp"
#include "support/mpi_fixture.hpp"

namespace holdfast::storage::test {
namespace {

using holdfast::test::expect_recorded;
using holdfast::test::mpi_calls;
using holdfast::test::MpiCalls;

constexpr std::uint64_t large_tensors = 8, small_tensors = 1000, small_bytes = 4096;
const Shape large_shape = {4096, 1024};
constexpr double mebibyte = 1 << 20;

struct Free {
  void operator()(std::byte* memory) const noexcept { std::free(memory); }
};

/// One writer's part: large tensors cut by rows over the writers, small ones in turns, staged as a rank stages them.
class Staged {
 public:
  Staged(int writer, int writers) : writer_(writer), writers_(writers) {
    for (std::uint64_t i = 0; i < large_tensors; ++i)
      add("large" + std::to_string(i), large_shape,
          split(whole(large_shape), static_cast<std::size_t>(writers))[static_cast<std::size_t>(writer)]);
    for (std::uint64_t i = 0; i < small_tensors; ++i)
      add("small" + std::to_string(i), {small_bytes},
          i % static_cast<std::uint64_t>(writers) == static_cast<std::uint64_t>(writer) ? whole({small_bytes}) : Box{});
    arena_bytes_ = (plan::place(pieces_) + 4095) / 4096 * 4096;
    arena_.reset(static_cast<std::byte*>(std::aligned_alloc(4096, arena_bytes_)));
    std::fill_n(arena_.get(), arena_bytes_, std::byte{1});
  }

  [[nodiscard]] SaveRequest request(std::int64_t step) const {
    SaveRequest request{.step = step, .world_size = writers_, .datasets = datasets_, .chunks = {}};
    for (const plan::Piece& piece : pieces_)
      request.chunks.push_back({piece.item, piece.box, writer_, {arena_.get() + piece.arena_offset, piece.bytes}});
    return request;
  }
  [[nodiscard]] bool holds(const std::byte* memory) const {
    return memory >= arena_.get() && memory < arena_.get() + arena_bytes_;
  }

 private:
  void add(std::string name, const Shape& global, Box box) {
    const auto index = static_cast<std::uint32_t>(datasets_.size());
    datasets_.push_back({std::move(name), plan::DatasetKind::tensor, DType::u8, global});
    if (box.dimensions() == 0) return;
    const std::uint64_t bytes = volume(box.extent);
    pieces_.push_back({index, index, std::move(box), 0, bytes});
  }

  int writer_, writers_;
  std::vector<plan::Dataset> datasets_;
  std::vector<plan::Piece> pieces_;
  std::uint64_t arena_bytes_ = 0;
  std::unique_ptr<std::byte, Free> arena_;
};

struct Counts {
  int collectives = 0;
  int writes = 0, other_calls = 0;
  double written_bytes = 0, copied_bytes = 0;  ///< by all writes; by those from elsewhere than the arena
};

Counts count_save(CheckpointStore& store, const std::filesystem::path& directory, const Staged& staged,
                  std::int64_t step) {
  Counts counts;
  const MpiCalls before = mpi_calls();
  const Watch watch(directory, [&](const SystemCall& call) {
    if (call.name != "pwrite" && call.name != "write") {
      ++counts.other_calls;
      return 0;
    }
    ++counts.writes;
    counts.written_bytes += static_cast<double>(call.data.size());
    if (!staged.holds(call.data.data())) counts.copied_bytes += static_cast<double>(call.data.size());
    return 0;
  });
  store.save(staged.request(step));
  counts.collectives = mpi_calls().collective - before.collective;
  return counts;
}

TEST(WriterCounts, ASaveInSteadyState) {
  mpi::Communicator comm = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  const holdfast::test::SharedDirectory directory;
  const EngineUnderTest engine({"direct", Engine::direct, false});
  if (!holdfast::test::all_true(MPI_COMM_WORLD, engine.works_in(directory.path()))) {
    comm.free();
    GTEST_SKIP() << "no O_DIRECT in " << directory.path();
  }
  const Staged staged(comm.rank(), comm.size());
  {
    CheckpointStore store(comm, make_posix_filesystem(), make_checkpoint_file(comm, engine.settings()),
                          {.directory = directory.path(), .keep_last = 1, .nonce = "counts", .holder = "a test"});
    for (std::int64_t step = 0; step < 2; ++step) store.save(staged.request(step));
    const Counts counts = count_save(store, directory.path(), staged, 2);
    const std::string who = comm.rank() == 0 ? "writer_0." : "writer.";
    expect_recorded("writer.mpi_collectives_per_save", counts.collectives);
    expect_recorded(who + "other_calls_per_save", counts.other_calls);
    if (comm.rank() != 0) {  // writer 0 writes the file's own parts too
      expect_recorded("writer.writes_per_mebibyte", counts.writes / (counts.written_bytes / mebibyte));
      expect_recorded("writer.bytes_copied_per_byte_written", counts.copied_bytes / counts.written_bytes);
    } else {
      expect_recorded("writer_0.writes_per_save", counts.writes);
    }
  }
  comm.free();
}

}  // namespace
}  // namespace holdfast::storage::test
