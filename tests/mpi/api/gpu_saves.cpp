// Saves and loads of state in GPU memory: on a GPU, and on the stand-in for CUDA's driver.
#include <numeric>
#include <vector>

#include "gpu_state.hpp"
#include "tensor/box.hpp"
#include "tensor/convert.hpp"

namespace holdfast::test {
namespace {

class GpuSaves : public testing::TestWithParam<Transport> {
 protected:
  Options options() { return {.directory = directory_.path() / "ckpt", .transport = GetParam()}; }
  /// What the test by columns saved: each rank's numbers begin with another one.
  void expect_columns(const std::vector<std::byte>& memory, DType dtype) const {
    const Shard columns = gpu_.weight_columns(nullptr, dtype).shard;
    const std::uint64_t width = columns.global[1], saved_rows = gpu_.weight_floats() / width;
    for (std::uint64_t i = 0; i < volume(columns.extent); i += 97) {
      const std::uint64_t row = i / columns.extent[1], column = columns.offset[1] + i % columns.extent[1];
      const auto expected =
          static_cast<float>(row / saved_rows) * 1e7F + static_cast<float>(row % saved_rows * width + column);
      ASSERT_EQ(to_double(dtype, memory.data() + i * size_of(dtype)), expected) << "element " << i;
    }
  }

  const int rank_ = rank_in(MPI_COMM_WORLD);
  SharedDirectory directory_;
  GpuState gpu_;
};

TEST_P(GpuSaves, ComeBackAsTheyWere) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  gpu_.fill(1);
  checkpointer.warm_up(gpu_.state());
  std::vector<SaveFuture> saves;
  for (std::int64_t step = 1; step <= 4; ++step) {  // in both arenas, where the one before is still being written
    gpu_.fill(step);
    saves.push_back(checkpointer.async_save(step, gpu_.state()));
  }
  for (std::int64_t step = 1; step <= 4; ++step) {
    saves[static_cast<std::size_t>(step - 1)].wait();
    gpu_.fill(99);
    EXPECT_EQ(checkpointer.load(gpu_.state(), {.step = step}).step, step);
    gpu_.expect(step);
  }
  checkpointer.close();
}

TEST_P(GpuSaves, GoOnWhileTheStreamOfTheProgramWaits) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  GpuStream stream(gpu_.device());
  gpu_.fill(1);
  checkpointer.warm_up(gpu_.state());
  gpu_.fill_later(2, stream);
  const SaveFuture saving = checkpointer.async_save(2, gpu_.state(), {.overlap_staging = true, .stream = stream.get()});
  saving.wait_staged(stream.get());
  gpu_.fill_later(3, stream);  // the optimizer step
  stream.synchronize();
  EXPECT_GT(saving.wait().stage_s, 0);
  saving.wait_staged(stream.get());  // nothing is left to wait for
  gpu_.expect_weight(3);
  checkpointer.load(gpu_.state());
  gpu_.expect_weight(2);
  checkpointer.close();
}

TEST_P(GpuSaves, AreReadBehindTheStreamThatIsGiven) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  GpuStream stream(gpu_.device());
  gpu_.fill(1);
  gpu_.fill_later(2, stream);
  checkpointer.async_save(1, gpu_.state(), {.stream = stream.get()}).wait();
  gpu_.fill_later(3, stream);
  checkpointer.load(gpu_.state(), {.stream = stream.get()});
  gpu_.expect_weight(2);
  checkpointer.close();
}

TEST_P(GpuSaves, AreLoadedIntoHostMemoryAndBack) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  gpu_.fill(5);
  checkpointer.async_save(5, gpu_.state()).wait();
  std::vector<double> weight(gpu_.weight_floats());
  StateDict host;
  host.add("weight", gpu_.weight_view(weight.data(), DType::f64));
  checkpointer.load(host, {.strict = Strict::common, .convert = true});
  EXPECT_EQ(std::vector<double>(gpu_.weight_floats(), 5), weight);
  std::ranges::fill(weight, 6);
  checkpointer.async_save(6, host).wait();
  StateDict device;
  device.add("weight", gpu_.weight_view(gpu_.weight(), DType::f32));
  checkpointer.load(device, {.convert = true});
  gpu_.expect_weight(6);
  checkpointer.close();
}

/// Each rank saved rows of it.
TEST_P(GpuSaves, AreLoadedByColumns) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  std::vector<float> weight(gpu_.weight_floats());
  std::iota(weight.begin(), weight.end(), static_cast<float>(rank_) * 1e7F);
  StateDict saved;
  saved.add("weight", gpu_.weight_view(weight.data(), DType::f32));
  checkpointer.async_save(7, saved).wait();
  for (const DType dtype : {DType::f32, DType::f64}) {
    const std::size_t bytes = volume(gpu_.weight_columns(nullptr, dtype).shard.extent) * size_of(dtype);
    std::vector<std::byte> on_host(bytes);
    GpuMemory on_device(bytes, GpuKind::device, gpu_.device());
    for (std::byte* memory : {on_host.data(), on_device.data()}) {
      StateDict state;
      state.add("weight", gpu_.weight_columns(memory, dtype));
      const LoadReport report = checkpointer.load(state, {.convert = true});
      std::uint64_t read = report.read_bytes, needed = report.bytes;
      MPI_Allreduce(MPI_IN_PLACE, &read, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
      MPI_Allreduce(MPI_IN_PLACE, &needed, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
      EXPECT_LE(read, needed + needed / 100);
    }
    EXPECT_EQ(on_device.read(), on_host);
    expect_columns(on_host, dtype);
  }
  checkpointer.close();
}

/// One rank's replica on a device, the others' in host memory; compared behind the stream's work.
TEST_P(GpuSaves, ReplicasAreComparedWhereverTheyAre) {
  Options checked = options();
  checked.check_replicas = true;
  Checkpointer checkpointer(MPI_COMM_WORLD, checked);
  std::vector<float> on_host(6'000'000, 3.0F);  // more than one piece
  const std::size_t bytes = on_host.size() * sizeof(float);
  GpuMemory on_device(bytes, GpuKind::device, gpu_.device()), later(bytes, GpuKind::pinned, gpu_.device());
  const auto* const raw = reinterpret_cast<const std::byte*>(on_host.data());
  later.write({raw, raw + bytes});
  GpuStream stream(gpu_.device());
  stream.write_later(on_device, later);
  StateDict state;
  state.add("w",
            replicated(static_cast<void*>(rank_ == 0 ? on_device.data() : reinterpret_cast<std::byte*>(on_host.data())),
                       DType::f32, {on_host.size()}));
  EXPECT_EQ(checkpointer.async_save(1, state, {.stream = stream.get()}).wait().step, 1);
  if (size_of_comm(MPI_COMM_WORLD) > 1) {
    on_host.back() = 4;
    expect_same_error(MPI_COMM_WORLD, ErrorCode::plan_conflict, {"rank 0 and rank 1", "\"w\": "},
                      [&] { checkpointer.async_save(2, state, {.stream = stream.get()}); });
  }
  checkpointer.close();
}

INSTANTIATE_TEST_SUITE_P(Transports, GpuSaves, testing::Values(Transport::mapped, Transport::put));

}  // namespace
}  // namespace holdfast::test
