// On a GPU, and on the stand-in for CUDA's driver: tests/unit/stage/CMakeLists.txt builds it twice.
#include "stage/cuda_stager.hpp"

#include <gmock/gmock.h>

#include <holdfast/error.hpp>

#include "cuda_lab.hpp"
#include "stage/memory_spaces.hpp"
#include "stage/upload.hpp"
#include "support/gpu.hpp"

namespace holdfast::stage {
namespace {

using test::GpuKind;
using test::GpuMemory;
using test::GpuStream;

template <class Made, class... Args>
LabKind lab(std::string name, Args... args) {
  return {std::move(name), [args...] { return std::make_unique<Made>(args...); }};
}

INSTANTIATE_TEST_SUITE_P(Cuda, StagerConformance,
                         testing::Values(lab<CudaLab>("device", GpuKind::device),
                                         lab<CudaLab>("managed", GpuKind::managed),
                                         lab<CudaLab>("pinned", GpuKind::pinned), lab<BouncingLab>("bounced"),
                                         lab<HostMemoryLab>("host")),
                         name_of_lab);

constexpr std::size_t mib = 1 << 20;
Deadline in_a_minute() {
  return Deadline(Seconds(60));
}

std::vector<std::byte> filled(std::size_t bytes, int value) {
  return std::vector<std::byte>(bytes, static_cast<std::byte>(value));
}

Copy packed(std::byte* from, std::size_t bytes, std::byte* to) {
  return {.from = {from, {bytes}, {1}, 1}, .to = to, .space = cuda::memory_space_of(from), .tensor = "model/w"};
}

TEST(Places, AreToldFromThePointer) {
  const GpuMemory device(mib), managed(mib, GpuKind::managed), pinned(mib, GpuKind::pinned);
  const std::vector<std::byte> pageable(mib);
  EXPECT_EQ(cuda::memory_space_of(device.data()).kind, cuda::MemoryKind::device);
  EXPECT_EQ(cuda::memory_space_of(device.data() + mib - 1).kind, cuda::MemoryKind::device);
  EXPECT_EQ(cuda::memory_space_of(managed.data()).kind, cuda::MemoryKind::managed);
  EXPECT_EQ(cuda::memory_space_of(pinned.data()).kind, cuda::MemoryKind::pinned);
  EXPECT_EQ(cuda::memory_space_of(pageable.data()).kind, cuda::MemoryKind::pageable);
  EXPECT_EQ(cuda::memory_space_of(device.data()).device, 0);
  EXPECT_EQ(cuda::memory_space_of(pageable.data()).device, -1);
}

/// Adds a tensor of 1 MiB.
void add(plan::LocalPlan& local, std::string name, std::byte* memory) {
  local.items.push_back({.name = std::move(name), .global = {mib}, .box = {{0}, {mib}}});
  local.memory.push_back(replicated(static_cast<void*>(memory), DType::u8, {mib}));
}

TEST(Places, AreFoundForTensorsThatShareAllocationsAndForOthers) {
  const GpuMemory device(4 * mib), pinned(4 * mib, GpuKind::pinned);
  std::vector<std::byte> pageable(4 * mib);
  plan::LocalPlan local;
  std::vector<cuda::MemoryKind> expected;
  for (const std::size_t at : {0, 3, 1})
    for (const auto& [memory, kind] : {std::pair(device.data(), cuda::MemoryKind::device),
                                       {device.data() + mib / 2, cuda::MemoryKind::device},
                                       {pinned.data(), cuda::MemoryKind::pinned},
                                       {pageable.data(), cuda::MemoryKind::pageable}}) {
      add(local, "t" + std::to_string(expected.size()), memory + at * mib);
      expected.push_back(kind);
    }
  std::vector<cuda::MemoryKind> found;
  for (const cuda::MemorySpace& space : find_memory_spaces(local)) found.push_back(space.kind);
  EXPECT_EQ(found, expected);
}

TEST(Places, NameTheTensorWhoseMemoryWasFreed) {
  auto memory = std::make_unique<GpuMemory>(8 * mib), other = std::make_unique<GpuMemory>(8 * mib);
  std::byte* const gone = memory->data();
  memory.reset();
  plan::LocalPlan local;
  add(local, "model/there", other->data());
  add(local, "model/gone", gone);
  try {
    static_cast<void>(find_memory_spaces(local));
    FAIL() << "freed memory was taken for memory";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_EQ(error.context().tensor, "model/gone");
  }
}

TEST(CudaStager, PinsAnArenaForAsLongAsItIsAskedTo) {
  const GpuMemory memory(mib);
  std::vector<std::byte> arena(mib);
  CudaStager stager(1);
  const Copy copy = packed(memory.data(), mib, arena.data());
  auto kept = stager.prepare(std::span(&copy, 1), arena);
  EXPECT_EQ(cuda::memory_space_of(arena.data()).kind, cuda::MemoryKind::pinned);
  EXPECT_EQ(cuda::memory_space_of(arena.data() + mib - 1).kind, cuda::MemoryKind::pinned);
  kept.reset();
  EXPECT_EQ(cuda::memory_space_of(arena.data()).kind, cuda::MemoryKind::pageable);
}

TEST(CudaStager, PinsNothingForHostMemory) {
  std::vector<std::byte> memory(mib), arena(mib);
  const Copy copy = packed(memory.data(), mib, arena.data());
  EXPECT_EQ(CudaStager(1).prepare(std::span(&copy, 1), arena), nullptr);
}

class Ordered : public testing::TestWithParam<GpuKind> {};

TEST_P(Ordered, BehindTheCallersStream) {
  GpuMemory memory(4 * mib, GetParam()), later(4 * mib, GpuKind::pinned);
  memory.write(filled(4 * mib, 1));
  later.write(filled(4 * mib, 2));
  std::vector<std::byte> arena(4 * mib);
  GpuStream stream;  // older than the stager's: the stand-in would do its work last
  CudaStager stager(1);
  const Copy copy = packed(memory.data(), arena.size(), arena.data());
  const auto kept = stager.prepare(std::span(&copy, 1), arena);
  stream.write_later(memory, later);
  stager.begin({copy}, stream.get())->finish(in_a_minute());
  EXPECT_EQ(arena, filled(4 * mib, 2));
}

TEST_P(Ordered, BehindTheDefaultStream) {
  GpuMemory memory(4 * mib, GetParam()), later(4 * mib, GpuKind::pinned);
  memory.write(filled(4 * mib, 1));
  later.write(filled(4 * mib, 2));
  std::vector<std::byte> arena(4 * mib);
  CudaStager stager(1);
  write_later_in_default_stream(memory, later);
  stager.begin({packed(memory.data(), arena.size(), arena.data())}, nullptr)->finish(in_a_minute());
  EXPECT_EQ(arena, filled(4 * mib, 2));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Ordered, testing::Values(GpuKind::device, GpuKind::managed, GpuKind::pinned));

TEST(CudaStager, MakesAStreamWaitOnTheDevice) {
  GpuMemory memory(32 * mib), later(32 * mib, GpuKind::pinned);
  memory.write(filled(32 * mib, 1));
  later.write(filled(32 * mib, 2));
  std::vector<std::byte> arena(32 * mib);
  CudaStager stager(1);
  const Copy copy = packed(memory.data(), arena.size(), arena.data());
  const auto kept = stager.prepare(std::span(&copy, 1), arena);
  GpuStream stream;
  const auto pending = stager.begin({copy}, stream.get());
  ASSERT_TRUE(pending->make_wait(stream.get()));
  stream.write_later(memory, later);  // the optimizer step
  stream.synchronize();
  pending->finish(in_a_minute());
  EXPECT_EQ(arena, filled(32 * mib, 1));
  EXPECT_EQ(memory.read(), filled(32 * mib, 2));
}

TEST(CudaStager, CannotMakeAStreamWaitForWhatIsBounced) {
  const GpuMemory memory(mib);
  std::vector<std::byte> arena(mib);
  const auto pending = CudaStager(1).begin({packed(memory.data(), mib, arena.data())}, nullptr);
  EXPECT_FALSE(pending->make_wait(nullptr));
  pending->finish(in_a_minute());
}

TEST(CudaStager, CopiesFromHostAndDevicesTogether) {
  std::vector<std::unique_ptr<GpuMemory>> memory;
  for (const GpuKind kind : {GpuKind::device, GpuKind::managed, GpuKind::pinned})
    for (int device = 0; device < std::min(test::gpus(), 2); ++device)
      memory.push_back(std::make_unique<GpuMemory>(2 * mib, kind, device));
  std::vector<std::byte> pageable = filled(2 * mib, 99), arena((memory.size() + 1) * 2 * mib), expected;
  std::vector<Copy> copies;
  for (std::size_t i = 0; i < memory.size(); ++i) {
    const std::vector<std::byte> content = filled(2 * mib, static_cast<int>(i) + 1);
    memory[i]->write(content);
    copies.push_back(packed(memory[i]->data(), 2 * mib, arena.data() + i * 2 * mib));
    expected.insert(expected.end(), content.begin(), content.end());
  }
  copies.push_back(packed(pageable.data(), 2 * mib, arena.data() + memory.size() * 2 * mib));
  expected.insert(expected.end(), pageable.begin(), pageable.end());
  CudaStager stager(2);
  const auto kept = stager.prepare(copies, arena);
  stager.begin(copies, nullptr)->finish(in_a_minute());
  EXPECT_EQ(arena, expected);
}

TEST(Uploads, BringPiecesIntoPlace) {
  GpuMemory memory(100 * mib);
  memory.write(filled(memory.bytes(), 7));
  std::vector<std::byte> expected = filled(memory.bytes(), 7);
  Uploads uploads;
  for (std::size_t i = 0; i < 9; ++i) {  // rows with a gap, more pieces than there are buffers
    const std::size_t bytes = i == 4 ? 1000 : 10 * mib;
    std::byte* const buffer = uploads.buffer(0);
    std::fill_n(buffer, bytes, static_cast<std::byte>(i + 20));
    const StridedMemory to{memory.data() + i * 11 * mib, {bytes / 1000, 1000}, {1024, 1}, 1};
    uploads.send(0, buffer, to);
    for (std::size_t row = 0; row < to.extent[0]; ++row)
      std::fill_n(expected.data() + i * 11 * mib + row * 1024, 1000, static_cast<std::byte>(i + 20));
  }
  uploads.finish();
  EXPECT_EQ(memory.read(), expected);
}

}  // namespace
}  // namespace holdfast::stage
