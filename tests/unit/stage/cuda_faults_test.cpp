// What a device seldom does, from the stand-in for CUDA's driver: failures, and proof of what is called how often.
#include <fake_cuda.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <holdfast/error.hpp>
#include <memory>
#include <optional>
#include <thread>

#include "stage/cuda_stager.hpp"
#include "stage/memory_spaces.hpp"
#include "stage/upload.hpp"
#include "support/gpu.hpp"

namespace holdfast::stage {
namespace {

using test::GpuKind;
using test::GpuMemory;
using testing::HasSubstr;

constexpr std::size_t mib = 1 << 20;

/// Two tensors on device 0 that are staged into one arena.
class CudaFaults : public testing::Test {
 protected:
  CudaFaults() {
    fake_cuda_reset();
    for (std::size_t i = 0; i < 2; ++i) {
      memory_[i].write(std::vector<std::byte>(2 * mib, static_cast<std::byte>(i + 1)));
      copies_.push_back({.from = {memory_[i].data(), {2 * mib}, {1}, 1},
                         .to = arena_.data() + i * 2 * mib,
                         .space = cuda::memory_space_of(memory_[i].data()),
                         .tensor = i == 0 ? "model/a" : "model/b"});
    }
    fake_cuda_reset();
  }
  ~CudaFaults() override { fake_cuda_reset(); }

  void stage() {
    const auto kept = stager_.prepare(copies_, arena_);
    stager_.begin(copies_, nullptr)->finish(Deadline(Seconds(60)));
  }
  /// What staging throws.
  Error failure() {
    try {
      stage();
    } catch (const Error& error) {
      return error;
    }
    return {ErrorCode::internal, "nothing was thrown"};
  }
  /// The device is well again: is the next save right?
  void expect_next_works() {
    fake_cuda_reset();
    std::ranges::fill(arena_, std::byte{0});
    stage();
    EXPECT_EQ(arena_.front(), std::byte{1});
    EXPECT_EQ(arena_.back(), std::byte{2});
  }

  GpuMemory memory_[2] = {GpuMemory(2 * mib), GpuMemory(2 * mib)};
  std::vector<std::byte> arena_ = std::vector<std::byte>(4 * mib);
  std::vector<Copy> copies_;
  CudaStager stager_{1};
};

TEST_F(CudaFaults, NoneLeavesOneCopyForEachLargeTensorIntoPinnedMemory) {
  stage();
  EXPECT_EQ(fake_cuda_calls("cuMemcpyAsync"), 2);
  EXPECT_EQ(fake_cuda_calls("pageable"), 0);
  EXPECT_EQ(fake_cuda_calls("cuMemHostAlloc"), 0) << "no bounce buffer";
  EXPECT_EQ(fake_cuda_calls("cuCtxSynchronize"), 0) << "nothing else is waited for";
}

TEST_F(CudaFaults, BeginCopiesNothingItself) {
  const auto kept = stager_.prepare(copies_, arena_);
  const auto pending = stager_.begin(copies_, nullptr);
  EXPECT_EQ(arena_.front(), std::byte{0});
  EXPECT_EQ(fake_cuda_calls("cuEventQuery"), 0) << "it does not wait";
  pending->finish(Deadline(Seconds(60)));
  EXPECT_EQ(arena_.back(), std::byte{2});
}

TEST_F(CudaFaults, SmallTensorsGoInOneCall) {
  std::vector<Copy> small;
  for (std::size_t i = 0; i < 1000; ++i)
    small.push_back({.from = {memory_[0].data() + i * 1024, {1000}, {1}, 1},
                     .to = arena_.data() + i * 1000,
                     .space = cuda::memory_space_of(memory_[0].data()),
                     .tensor = "small"});
  const auto kept = stager_.prepare(small, arena_);
  stager_.begin(small, nullptr)->finish(Deadline(Seconds(60)));
  if (CUDA_VERSION >= 13000) {
    EXPECT_EQ(fake_cuda_calls("cuMemcpyBatchAsync"), 1);
    EXPECT_EQ(fake_cuda_calls("cuMemcpyAsync"), 0);
  }
  EXPECT_EQ(arena_[999'999], std::byte{1});
}

TEST_F(CudaFaults, TensorsOfOneAllocationAreLookedUpTogether) {
  plan::LocalPlan local;
  for (std::size_t i = 0; i < 100; ++i) {
    local.items.push_back({.name = "t" + std::to_string(i), .global = {1024}, .box = {{0}, {1024}}});
    local.memory.push_back(replicated(static_cast<void*>(memory_[i / 50].data() + i * 1024), DType::u8, {1024}));
  }
  EXPECT_TRUE(std::ranges::all_of(find_memory_spaces(local), &cuda::MemorySpace::on_device));
  EXPECT_EQ(fake_cuda_calls("cuPointerGetAttributes"), 2);
}

TEST_F(CudaFaults, RowsAndLayersGoInOneCall) {
  const Copy rows{.from = {memory_[0].data(), {4, 10, 100}, {20'000, 1000, 1}, 1},
                  .to = arena_.data(),
                  .space = cuda::memory_space_of(memory_[0].data()),
                  .tensor = "rows"};
  stager_.begin({rows}, nullptr)->finish(Deadline(Seconds(60)));
  EXPECT_EQ(fake_cuda_calls("cuMemcpy3DAsync"), 1);
  EXPECT_EQ(arena_[3999], std::byte{1});
  EXPECT_EQ(arena_[4000], std::byte{0});
}

TEST_F(CudaFaults, AnArenaThatCannotBeRegisteredIsReachedThroughPinnedBuffers) {
  fake_cuda_fail("cuMemHostRegister", CUDA_ERROR_OUT_OF_MEMORY, 0, -1);
  stage();
  EXPECT_EQ(arena_.front(), std::byte{1});
  EXPECT_EQ(arena_.back(), std::byte{2});
  EXPECT_GT(fake_cuda_calls("cuMemHostAlloc"), 0);
  EXPECT_EQ(fake_cuda_calls("pageable"), 0);
}

TEST_F(CudaFaults, NoMemoryForThoseBuffersEither) {
  fake_cuda_fail("cuMemHostRegister", CUDA_ERROR_OUT_OF_MEMORY, 0, -1);
  fake_cuda_fail("cuMemHostAlloc", CUDA_ERROR_OUT_OF_MEMORY, 2, -1);
  const Error error = failure();
  EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
  EXPECT_EQ(error.context().tensor, "model/a");
  EXPECT_THAT(error.message(),
              HasSubstr("device 0 (fake GPU): cuMemHostAlloc: out of memory (CUDA_ERROR_OUT_OF_MEMORY)"));
  expect_next_works();
}

TEST_F(CudaFaults, ACopyThatIsRefusedNamesTensorAndDevice) {
  fake_cuda_fail("cuMemcpyAsync", CUDA_ERROR_INVALID_VALUE, 1, 1);
  const Error error = failure();
  EXPECT_EQ(error.code(), ErrorCode::device);
  EXPECT_EQ(error.context().tensor, "model/b");
  EXPECT_THAT(error.message(), HasSubstr("device 0 (fake GPU): cuMemcpyAsync"));
  EXPECT_EQ(arena_.front(), std::byte{1}) << "what was on its way before has ended";
  expect_next_works();
}

TEST_F(CudaFaults, ABatchThatIsRefusedNamesTheTensorToBlame) {
  std::vector<Copy> small;
  for (std::size_t i = 0; i < 10; ++i)
    small.push_back({.from = {memory_[0].data() + i * 1000, {1000}, {1}, 1},
                     .to = arena_.data() + i * 1000,
                     .space = cuda::memory_space_of(memory_[0].data()),
                     .tensor = "small/" + std::to_string(i)});
  small[7].from.data = memory_[0].data() + 2 * mib - 10;  // reaches beyond its memory
  const auto kept = stager_.prepare(small, arena_);
  const auto pending = stager_.begin(small, nullptr);
  EXPECT_FALSE(pending->make_wait(nullptr));
  const int calls = fake_cuda_calls("cuMemcpyAsync");
  try {
    pending->finish(Deadline(Seconds(60)));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.context().tensor, "small/7");
    EXPECT_EQ(fake_cuda_calls("cuMemcpyAsync"), calls) << "what failed was tried again";
  }
}

TEST_F(CudaFaults, ADeviceThatFailsMeanwhileIsNamedUntilItIsWell) {
  fake_cuda_fail("cuEventQuery", CUDA_ERROR_ILLEGAL_ADDRESS, 0, -1);
  const Error error = failure();
  EXPECT_EQ(error.code(), ErrorCode::device);
  EXPECT_EQ(error.context().tensor, "model/a");
  EXPECT_THAT(error.message(), HasSubstr("device 0 (fake GPU)"));
  EXPECT_THAT(error.message(), HasSubstr("CUDA_ERROR_ILLEGAL_ADDRESS"));
  expect_next_works();
}

TEST_F(CudaFaults, ADeviceThatIsLostIsAnErrorEachTime) {
  fake_cuda_fail("cuCtxPushCurrent", CUDA_ERROR_DEVICE_UNAVAILABLE, 0, -1);
  for (int i = 0; i < 2; ++i) {
    const Error error = failure();
    EXPECT_EQ(error.code(), ErrorCode::device);
    EXPECT_EQ(error.context().tensor, "model/a");
  }
  expect_next_works();
}

TEST_F(CudaFaults, AStreamThatNeverGetsThereIsATimeout) {
  test::GpuStream stream;
  fake_cuda_hold(stream.get(), 1);
  GpuMemory pinned(2 * mib, GpuKind::pinned);
  pinned.write(std::vector<std::byte>(2 * mib, std::byte{1}));
  stream.write_later(memory_[0], pinned);
  const auto kept = stager_.prepare(copies_, arena_);
  const auto pending = stager_.begin(copies_, stream.get());
  std::optional<Error> error;
  std::jthread release([&](const std::stop_token& over) {  // so that the clean-up after the timeout comes to its end
    while (fake_cuda_calls("cuEventRecord") < 3 && !over.stop_requested())
      std::this_thread::yield();  // begin, end, clean-up
    fake_cuda_hold(stream.get(), 0);
  });
  try {
    pending->finish(Deadline(Seconds(0.05)));
  } catch (const Error& thrown) {
    error = thrown;
  }
  release.request_stop();
  release.join();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::timeout);
  EXPECT_EQ(error->context().tensor, "model/a");
  expect_next_works();
}

TEST_F(CudaFaults, AnUploadThatFailsIsThrown) {
  Uploads uploads;
  uploads.send(0, uploads.buffer(0), copies_[0].from);
  fake_cuda_fail("cuEventQuery", CUDA_ERROR_ILLEGAL_ADDRESS, 0, -1);
  EXPECT_THROW(uploads.finish(), Error);
}

TEST(CudaObjects, AreAllGivenBack) {
  fake_cuda_reset();
  const int before = fake_cuda_objects();
  {
    const GpuMemory memory(2 * mib);
    std::vector<std::byte> arena(4 * mib);
    const Copy copy{.from = {memory.data(), {2 * mib}, {1}, 1},
                    .to = arena.data(),
                    .space = cuda::memory_space_of(memory.data()),
                    .tensor = "t"};
    CudaStager stager(1);
    stager.begin({copy}, nullptr)->finish(Deadline(Seconds(60)));  // through the ring
    const auto kept = stager.prepare(std::span(&copy, 1), arena);
    stager.begin({copy}, nullptr)->finish(Deadline(Seconds(60)));
    static_cast<void>(stager.begin({copy}, nullptr));                      // dropped
    static_cast<void>(stager.begin({copy}, nullptr)->make_wait(nullptr));  // dropped while it copies
    EXPECT_GT(fake_cuda_objects(), before);
  }
  EXPECT_EQ(fake_cuda_objects(), before);
}

}  // namespace
}  // namespace holdfast::stage
