// A process that has no CUDA driver loaded, in a library with or without CUDA.
#include <gtest/gtest.h>

#include <holdfast/error.hpp>

#include "stage/cuda_stager.hpp"
#include "stage/memory_spaces.hpp"

namespace holdfast::stage {
namespace {

TEST(NoCuda, MeansThatAllMemoryIsTheHosts) {
  int number = 0;
  EXPECT_FALSE(cuda::present());
  EXPECT_EQ(cuda::memory_space_of(&number).kind, cuda::MemoryKind::pageable);
  EXPECT_EQ(cuda::memory_space_of(&number).device, -1);
}

TEST(NoCuda, RefusesAStreamWithTheReason) {
  int number = 0;
  try {
    check_stream(reinterpret_cast<cuda::Stream>(&number));
    FAIL() << "a stream without CUDA was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(error.message().find(cuda::built() ? "uses no CUDA device" : "built without CUDA"), std::string::npos);
  }
}

TEST(NoCuda, StagesHostMemory) {
  const std::vector<std::byte> from(100, std::byte{3});
  std::vector<std::byte> to(100);
  const Copy copy{.from = {const_cast<std::byte*>(from.data()), {100}, {1}, 1}, .to = to.data()};
  CudaStager stager(1);
  EXPECT_EQ(stager.prepare(std::span(&copy, 1), to), nullptr);
  stager.begin({copy}, nullptr)->finish(Deadline(Seconds(60)));
  EXPECT_EQ(to, from);
}

}  // namespace
}  // namespace holdfast::stage
