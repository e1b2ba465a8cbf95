// What all ranks see of a GPU that fails on one of them, by the stand-in for CUDA's driver.
#include <fake_cuda.h>

#include <functional>
#include <memory>

#include "gpu_state.hpp"
#include "tensor/box.hpp"
#include "tensor/convert.hpp"

namespace holdfast::test {
namespace {

class GpuSaveFaults : public testing::Test {
 protected:
  GpuSaveFaults() { fake_cuda_reset(); }
  ~GpuSaveFaults() override { fake_cuda_reset(); }

  /// The save fails on all ranks with what the last one met, and the next one is good.
  void expect_failure(const SaveOptions& options, ErrorCode code, std::initializer_list<std::string> words) {
    Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
    gpu_.fill(1);
    checkpointer.warm_up(gpu_.state());
    if (last_) failure_();
    const SaveFuture saving = checkpointer.async_save(1, gpu_.state(), options);
    expect_same_error(MPI_COMM_WORLD, code, words, [&] { saving.wait(); });
    fake_cuda_reset();
    gpu_.fill(2);
    checkpointer.async_save(2, gpu_.state(), options).wait();
    gpu_.fill(3);
    checkpointer.load(gpu_.state());
    gpu_.expect(2);
    checkpointer.close();
  }

  const bool last_ = rank_in(MPI_COMM_WORLD) == size_of_comm(MPI_COMM_WORLD) - 1;
  SharedDirectory directory_;
  GpuState gpu_;
  std::function<void()> failure_;
};

TEST_F(GpuSaveFaults, ACopyThatIsRefusedFailsTheSaveOnAllRanks) {
  failure_ = [] { fake_cuda_fail("cuMemcpyAsync", CUDA_ERROR_OUT_OF_MEMORY, 0, 1); };
  expect_failure({}, ErrorCode::out_of_memory, {"\"weight\": ", "fake GPU", "cuMemcpyAsync"});
  expect_failure({.overlap_staging = true}, ErrorCode::out_of_memory, {"\"weight\": ", "fake GPU", "cuMemcpyAsync"});
}

TEST_F(GpuSaveFaults, ADeviceThatFailsWhileItCopiesFailsTheSaveOnAllRanks) {
  failure_ = [] { fake_cuda_fail("cuEventQuery", CUDA_ERROR_ILLEGAL_ADDRESS, 0, -1); };
  expect_failure({}, ErrorCode::device, {"fake GPU", "CUDA_ERROR_ILLEGAL_ADDRESS"});
  expect_failure({.overlap_staging = true}, ErrorCode::device, {"fake GPU", "CUDA_ERROR_ILLEGAL_ADDRESS"});
}

TEST_F(GpuSaveFaults, FreedMemoryIsRefusedOnAllRanks) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  auto memory = std::make_unique<GpuMemory>(4096);
  StateDict state;
  state.add("layer/w", replicated(static_cast<void*>(memory->data()), DType::u8, {4096}));
  checkpointer.async_save(1, state).wait();
  if (last_) memory.reset();
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"\"layer/w\": ", "was it freed"},
                    [&] { checkpointer.async_save(2, state); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"\"layer/w\": ", "was it freed"},
                    [&] { checkpointer.load(state); });
  checkpointer.close();
}

/// A load of it converts on the way, as ever.
TEST_F(GpuSaveFaults, OnlyHostMemoryIsStoredAsAnotherType) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  const auto rank = static_cast<std::uint64_t>(rank_in(MPI_COMM_WORLD)),
             ranks = static_cast<std::uint64_t>(size_of_comm(MPI_COMM_WORLD));
  const Shard box{.global = {4 * ranks}, .offset = {4 * rank}, .extent = {4}};
  std::vector<float> host = {1, 2, 3, 4};
  GpuMemory memory(4 * sizeof(float), GpuKind::device, gpu_.device());
  StateDict on_host, on_device;
  on_host.add("w", stored_as(shard(host, box), DType::bf16));
  on_device.add("w", stored_as(shard(memory.data(), DType::f32, box), DType::bf16));
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"\"w\": ", "GPU memory", "f32 to bf16"},
                    [&] { checkpointer.async_save(1, on_device); });
  checkpointer.async_save(2, on_host).wait();
  checkpointer.load(on_device);
  const std::vector<std::byte> loaded = memory.read();
  for (std::size_t i = 0; i < host.size(); ++i) EXPECT_EQ(to_double(DType::f32, loaded.data() + 4 * i), host[i]);
  checkpointer.close();
}

TEST_F(GpuSaveFaults, ALoadThatFailsOnOneRankFailsOnAll) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  gpu_.fill(1);
  checkpointer.async_save(1, gpu_.state()).wait();
  if (last_) fake_cuda_fail("cuMemHostAlloc", CUDA_ERROR_OUT_OF_MEMORY, 0, -1);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::out_of_memory, {"fake GPU", "cuMemHostAlloc"},
                    [&] { checkpointer.load(gpu_.state()); });
  fake_cuda_reset();
  checkpointer.load(gpu_.state());
  gpu_.expect(1);
  checkpointer.close();
}

/// The others wait for what the failing rank reads for them.
TEST_F(GpuSaveFaults, ALoadByColumnsThatFailsOnOneRankFailsOnAll) {
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  gpu_.fill(1);
  checkpointer.async_save(1, gpu_.state()).wait();
  const std::size_t bytes = volume(gpu_.weight_columns(nullptr, DType::f64).shard.extent) * sizeof(double);
  GpuMemory columns(bytes, GpuKind::device, gpu_.device());
  StateDict state;
  state.add("weight", gpu_.weight_columns(columns.data(), DType::f64));
  const LoadOptions options{.strict = Strict::common, .convert = true};
  if (last_) fake_cuda_fail("cuMemHostAlloc", CUDA_ERROR_OUT_OF_MEMORY, 0, -1);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::out_of_memory, {"\"weight\": ", "fake GPU", "cuMemHostAlloc"},
                    [&] { checkpointer.load(state, options); });
  fake_cuda_reset();
  checkpointer.load(state, options);
  const std::vector<std::byte> loaded = columns.read();
  for (std::size_t at = 0; at < bytes; at += sizeof(double)) ASSERT_EQ(to_double(DType::f64, loaded.data() + at), 1);
  checkpointer.close();
}

TEST_F(GpuSaveFaults, AnArenaThatCannotBeRegisteredOnOneRankOnlyCostsTime) {
  if (last_) fake_cuda_fail("cuMemHostRegister", CUDA_ERROR_OUT_OF_MEMORY, 0, -1);
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  gpu_.fill(1);
  const SaveFuture saving = checkpointer.async_save(1, gpu_.state(), {.overlap_staging = true});
  saving.wait_staged(nullptr);
  saving.wait();
  gpu_.fill(2);
  checkpointer.load(gpu_.state());
  gpu_.expect(1);
  checkpointer.close();
}

}  // namespace
}  // namespace holdfast::test
