// A process that has loaded a CUDA driver which finds no device: the stand-in is told so before anything else.
#include <fake_cuda.h>
#include <gmock/gmock.h>

#include "cuda_lab.hpp"
#include "stage/memory_spaces.hpp"

namespace holdfast::stage {
namespace {

[[maybe_unused]] const bool told = (fake_cuda_fail("cuInit", CUDA_ERROR_NO_DEVICE, 0, -1), true);

TEST(NoDevice, IsSaidOnceAndAllMemoryIsTheHosts) {
  std::vector<std::byte> memory(16);
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(cuda::present());
    EXPECT_EQ(cuda::memory_space_of(memory.data()).kind, cuda::MemoryKind::pageable);
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, testing::HasSubstr("cannot be used"));
  EXPECT_EQ(std::ranges::count(log, '\n'), 1);
}

TEST(NoDevice, RefusesAStream) {
  int number = 0;
  EXPECT_THROW(check_stream(reinterpret_cast<cuda::Stream>(&number)), Error);
  check_stream(nullptr);
}

TEST(NoDevice, LooksAtNoPointer) {
  plan::LocalPlan local;
  local.items.push_back({.name = "t", .global = {1}, .box = {{0}, {1}}});
  local.memory.push_back(replicated(static_cast<const void*>(&told), DType::u8, {1}));
  EXPECT_FALSE(find_memory_spaces(local).front().on_device());
  EXPECT_EQ(fake_cuda_calls("cuPointerGetAttributes"), 0);
}

INSTANTIATE_TEST_SUITE_P(NoDevice, StagerConformance,
                         testing::Values(LabKind{"host", [] { return std::make_unique<HostMemoryLab>(); }}),
                         name_of_lab);

}  // namespace
}  // namespace holdfast::stage
