#include "base/stream_copy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

namespace holdfast {
namespace {

constexpr std::size_t guard = 256;  ///< bytes before and after the target, which stay as they are

std::vector<std::byte> random_bytes(std::size_t count) {
  std::mt19937_64 random(3);
  std::vector<std::byte> bytes(count);
  std::ranges::generate(bytes, [&] { return static_cast<std::byte>(random()); });
  return bytes;
}

/// Copies between places `from_line` and `to_line` bytes past the start of a line.
template <class Copy>
void expect_exact(std::size_t bytes, std::size_t from_line, std::size_t to_line, Copy copy) {
  static const std::vector<std::byte> source = random_bytes((1 << 20) + 4 * guard);
  const auto past = [](const std::byte* at, std::size_t line) {
    return cache_line_bytes - reinterpret_cast<std::uintptr_t>(at) % cache_line_bytes + line;
  };
  const std::byte* from = source.data() + past(source.data(), from_line);
  std::vector<std::byte> memory(bytes + 3 * guard, std::byte{0xee}), expected = memory;
  const std::size_t begin = guard + past(memory.data() + guard, to_line);
  std::copy_n(from, bytes, expected.data() + begin);
  copy(memory.data() + begin, from, bytes);
  ASSERT_TRUE(memory == expected) << bytes << " bytes from " << from_line << " to " << to_line;
}

constexpr std::size_t page = 4096, group = 4 * page, kib = 1024;

TEST(CopyWays, EachCopiesExactlyTheBytesWhereverTheyLie) {
  for (const CopyWay way : copy_ways())
    for (const std::size_t bytes :
         {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}, page - 1, page, page + 1,
          group - 1, group, group + 63, group + page + 64, 2 * group + 3 * page + 129, 100001ul})
      for (const std::size_t from_line : {0, 1, 7, 32, 63})
        for (const std::size_t to_line : {0, 1, 16, 32, 63})
          expect_exact(bytes, from_line, to_line, [&](auto* to, auto* from, std::size_t count) {
            SCOPED_TRACE(name_of(way));
            copy_by(way, to, from, count);
          });
}

TEST(CopyWays, HaveNamesThatFindThem) {
  EXPECT_EQ(copy_ways().front(), CopyWay::memcpy);
  for (const CopyWay way : copy_ways()) EXPECT_EQ(copy_way_of(name_of(way)), way);
  EXPECT_EQ(copy_way_of("magic"), std::nullopt);
}

#ifdef __x86_64__
TEST(CopyWays, NeedAvxWhereTheyAreMadeOfIt) {
  const bool has_avx = __builtin_cpu_supports("avx") != 0;
  EXPECT_EQ(copy_way_of("page_avx").has_value(), has_avx);
  EXPECT_EQ(copy_way_of("pages_avx").has_value(), has_avx);
  EXPECT_TRUE(copy_way_of("page_sse") && copy_way_of("pages_sse"));
}
#endif

constexpr std::size_t sizes[] = {0,
                                 1,
                                 63,
                                 page,
                                 32 * kib - 1,
                                 32 * kib,
                                 32 * kib + 1,
                                 100001,
                                 256 * kib,
                                 256 * kib + 1,
                                 512 * kib - 1,
                                 512 * kib,
                                 512 * kib + 65,
                                 1024 * kib - 7};

void copy_all_sizes() {
  for (const std::size_t bytes : sizes)
    for (const std::size_t from_line : {0, 7})
      for (const std::size_t to_line : {0, 1, 16, 63}) expect_exact(bytes, from_line, to_line, stream_copy);
}

class StreamCopy : public testing::Test {
 protected:
  void TearDown() override { force_copy(std::nullopt); }
};

TEST_F(StreamCopy, CopiesExactlyTheBytesWhicheverWayIsForced) {
  for (const CopyWay way : copy_ways()) {
    SCOPED_TRACE(name_of(way));
    force_copy(way);
    copy_all_sizes();
    EXPECT_EQ(copy_in_words(), std::string(name_of(way)) + ", set");
  }
}

TEST_F(StreamCopy, FindsOutInSeveralThreadsAndCopiesExactly) {
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 3; ++thread) threads.emplace_back(copy_all_sizes);
  threads.clear();
  for (int i = 0; i < 8; ++i) expect_exact(1024 * kib, 0, 0, stream_copy);
  EXPECT_EQ(copy_in_words().ends_with(", measured"), copy_ways().size() > 1) << copy_in_words();
}

}  // namespace
}  // namespace holdfast
