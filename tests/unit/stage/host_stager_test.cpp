#include "stage/host_stager.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstring>
#include <holdfast/error.hpp>
#include <numeric>
#include <vector>

namespace holdfast::stage {
namespace {

constexpr std::size_t mib = 1 << 20;

/// Memory to stage from and an arena that is as large, with one copy after the other.
class Pieces {
 public:
  explicit Pieces(std::size_t bytes) : source_(bytes / 4), arena_(bytes) { std::iota(source_.begin(), source_.end(), 1U); }

  /// The next `rows` x `columns` numbers of the source, of rows that are `pitch` apart.
  void add(std::uint64_t rows, std::uint64_t columns, std::uint64_t pitch) {
    const auto element = std::int64_t{4};
    StridedMemory memory{reinterpret_cast<std::byte*>(source_.data() + taken_),
                         {rows, columns},
                         {element * static_cast<std::int64_t>(pitch), element},
                         4};
    copies_.push_back({memory, arena_.data() + filled_});
    for (std::uint64_t row = 0; row < rows; ++row) {
      const auto* first = reinterpret_cast<const std::byte*>(source_.data() + taken_ + row * pitch);
      expected_.insert(expected_.end(), first, first + columns * 4);
    }
    taken_ += rows * pitch;
    filled_ += rows * columns * 4;
  }
  [[nodiscard]] std::span<const Copy> copies() const { return copies_; }
  [[nodiscard]] bool arrived() const { return std::equal(expected_.begin(), expected_.end(), arena_.begin()); }
  [[nodiscard]] bool rest_untouched() const {
    return std::all_of(arena_.begin() + static_cast<std::ptrdiff_t>(filled_), arena_.end(),
                       [](std::byte b) { return b == std::byte{0}; });
  }

 private:
  std::vector<std::uint32_t> source_;
  std::vector<std::byte> arena_, expected_;
  std::vector<Copy> copies_;
  std::size_t taken_ = 0, filled_ = 0;
};

class HostStagerTest : public testing::TestWithParam<int> {};

TEST_P(HostStagerTest, CopiesSmallPieces) {
  Pieces pieces(mib);
  for (std::uint64_t rows = 1; rows < 40; ++rows) pieces.add(rows, 17, 17 + rows % 3);
  HostStager(GetParam()).stage(pieces.copies());
  EXPECT_TRUE(pieces.arrived());
  EXPECT_TRUE(pieces.rest_untouched());
}

TEST_P(HostStagerTest, CopiesLargeAndSmallPiecesTogether) {
  Pieces pieces(100 * mib);
  pieces.add(3, 100, 101);
  pieces.add(1, 9 * mib + 13, 9 * mib + 13);  // dense, 36 MiB
  pieces.add(1000, 8191, 8200);               // rows with a gap, 31 MiB
  pieces.add(1, 1, 1);
  pieces.add(7, 99'999, 100'000);
  HostStager(GetParam()).stage(pieces.copies());
  EXPECT_TRUE(pieces.arrived());
  EXPECT_TRUE(pieces.rest_untouched());
}

TEST_P(HostStagerTest, CopiesNothing) {
  HostStager stager(GetParam());
  stager.stage({});
  const Copy empty{{nullptr, {4, 0}, {0, 4}, 4}, nullptr};
  stager.stage(std::span(&empty, 1));
}

TEST_P(HostStagerTest, ThrowsWhatACopyThrew) {
  Pieces pieces(100 * mib);
  for (int i = 0; i < 9; ++i) pieces.add(1, 2 * mib, 2 * mib);
  std::vector<Copy> copies(pieces.copies().begin(), pieces.copies().end());
  copies[5].from.stride_bytes = {4};
  try {
    HostStager(GetParam()).stage(copies);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::internal);
  }
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

}  // namespace
}  // namespace holdfast::stage
