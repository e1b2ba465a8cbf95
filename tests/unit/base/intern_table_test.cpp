#include "base/intern_table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace holdfast {
namespace {

TEST(InternTable, CountsInTheOrderInWhichTheyCome) {
  std::mt19937_64 random(5);
  for (const std::size_t most : {1, 2, 7, 1000}) {
    InternTable table(most);
    std::map<std::uint64_t, std::uint32_t> expected;
    std::vector<std::uint64_t> checksums(most);
    for (std::uint64_t& checksum : checksums) checksum = random();
    for (std::size_t i = 0; i < 5 * most; ++i) {
      const std::uint64_t checksum = checksums[random() % most];
      const std::uint32_t number = expected.emplace(checksum, expected.size()).first->second;
      const auto is_it = [&](std::uint32_t n) { return n == number; };
      EXPECT_EQ(table.intern(checksum, is_it), number);
      EXPECT_EQ(table.find(checksum, is_it), number);
      EXPECT_EQ(table.find(random(), is_it), std::nullopt);
    }
  }
}

/// Nothing about a checksum may be relied on: a part of it may be alike in all, even all of it.
TEST(InternTable, TellsApartWhatHasMuchOrAllOfItsChecksumAlike) {
  constexpr std::uint32_t most = 300;
  for (const int shift : {0, 20, 56, 64}) {
    InternTable table(most);
    std::vector<std::string> names;
    for (int round = 0; round < 2; ++round)
      for (std::uint32_t i = 0; i < most; ++i) {
        const std::string name = std::to_string(i);
        const std::uint64_t checksum = shift < 64 ? std::uint64_t{i} << shift : 17;
        const auto is_it = [&](std::uint32_t n) { return names[n] == name; };
        ASSERT_EQ(table.intern(checksum, is_it), i) << shift;
        if (round == 0) names.push_back(name);
      }
  }
}

}  // namespace
}  // namespace holdfast
