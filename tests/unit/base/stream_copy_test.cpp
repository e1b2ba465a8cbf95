#include "base/stream_copy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace holdfast {
namespace {

TEST(StreamCopy, CopiesExactlyTheBytesWhereverTheyLie) {
  std::mt19937_64 random(3);
  std::vector<std::byte> from(200000);
  std::ranges::generate(from, [&] { return static_cast<std::byte>(random()); });
  for (const std::size_t bytes : {0, 1, 63, 4096, 32767, 32768, 32769, 65536, 100001, 131072})
    for (const std::size_t shift : {0, 1, 16, 63, 64}) {
      std::vector<std::byte> to(from.size(), std::byte{0xee}), expected = to;
      std::copy_n(from.begin() + 7, bytes, expected.begin() + static_cast<std::ptrdiff_t>(shift));
      stream_copy(to.data() + shift, from.data() + 7, bytes);
      ASSERT_EQ(to, expected) << bytes << " bytes, " << shift;
    }
}

}  // namespace
}  // namespace holdfast
