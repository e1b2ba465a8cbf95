#include "stage/host_stager.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <holdfast/error.hpp>
#include <list>
#include <vector>

#include "stager_conformance.hpp"

namespace holdfast::stage {
namespace {

constexpr std::size_t mib = 1 << 20;

class HostLab final : public Lab {
 public:
  explicit HostLab(int threads) : stager_(threads) {}
  Stager& stager() override { return stager_; }
  std::byte* source(std::span<const std::byte> content) override {
    return memory_.emplace_back(content.begin(), content.end()).data();
  }
  std::span<std::byte> arena(std::size_t bytes) override { return memory_.emplace_back(bytes); }

 private:
  HostStager stager_;
  std::list<std::vector<std::byte>> memory_;
};

LabKind threads(int count) {
  return {std::to_string(count), [count] { return std::make_unique<HostLab>(count); }};
}

INSTANTIATE_TEST_SUITE_P(HostThreads, StagerConformance,
                         testing::Values(threads(1), threads(2), threads(3), threads(8)), name_of_lab);

class HostStagerTest : public testing::TestWithParam<int> {};

TEST_P(HostStagerTest, ThrowsWhatACopyThrew) {
  std::vector<std::byte> source(90 * mib), arena(90 * mib);
  std::vector<Copy> copies;
  for (std::size_t at = 0; at < source.size(); at += 10 * mib)
    copies.push_back({{source.data() + at, {10 * mib}, {1}, 1}, arena.data() + at});
  copies[5].from.stride_bytes = {4, 4};
  try {
    HostStager(GetParam()).begin(copies, nullptr)->finish(Deadline(Seconds(60)));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::internal);
  }
}

TEST_P(HostStagerTest, CannotMakeAStreamWait) {
  EXPECT_FALSE(HostStager(GetParam()).begin({}, nullptr)->make_wait(nullptr));
}

INSTANTIATE_TEST_SUITE_P(Threads, HostStagerTest, testing::Values(1, 2, 3, 8));

int cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  return CPU_COUNT(&set);
}

TEST(DefaultStageThreads, AreBetweenOneAndEight) {
  for (const int ranks : {1, 2, 3, 64, 10'000}) {
    EXPECT_GE(default_stage_threads(ranks), 1);
    EXPECT_LE(default_stage_threads(ranks), 8);
  }
  EXPECT_EQ(default_stage_threads(1), std::min(cores(), 8));
  EXPECT_EQ(default_stage_threads(10'000), 1);
}

TEST(DefaultStageThreads, AreThoseThatARankIsBoundTo) {
  cpu_set_t before, one;
  CPU_ZERO(&before);
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core)
    if (CPU_ISSET(core, &before)) CPU_SET(core, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(default_stage_threads(1), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

TEST(BindingInWords, IsSaidWhereABindingHoldsTheThreads) {
  EXPECT_EQ(binding_in_words(0, 8, 8, 2), "") << "not bound";
  EXPECT_EQ(binding_in_words(0, 4, 8, 2), "") << "each rank has cores of its own";
  EXPECT_EQ(binding_in_words(4, 4, 8, 2), "");
  EXPECT_EQ(binding_in_words(0, 1, 8, 8), "") << "no core is to spare";
  EXPECT_THAT(binding_in_words(0, 1, 8, 2), testing::HasSubstr("bound to one of 8 cores"));
  EXPECT_THAT(binding_in_words(4, 2, 8, 2),
              testing::HasSubstr("stage_threads is 4, but the process is bound to 2 of 8 cores"));
}

}  // namespace
}  // namespace holdfast::stage
