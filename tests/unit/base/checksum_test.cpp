#include "base/checksum.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

namespace holdfast {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// The file format promises XXH3-64 with seed 0; these are the values of its own test vectors.
TEST(Checksum, IsXxh3) {
  EXPECT_EQ(checksum({}), 0x2D06800538D394C2U);
  EXPECT_EQ(checksum(bytes_of("a")), 0xE6C632B61E964E1FU);
  EXPECT_EQ(checksum(bytes_of("abc")), 0x78AF5F94892F3950U);
}

TEST(Checksum, OfPiecesIsThatOfTheWhole) {
  std::mt19937 random(1);
  std::vector<std::byte> data(100'000);
  for (std::byte& byte : data) byte = static_cast<std::byte>(random());
  for (int repeat = 0; repeat < 20; ++repeat) {
    Checksum pieces;
    for (std::size_t begin = 0; begin < data.size();) {
      const std::size_t size = std::min<std::size_t>(random() % 5'000, data.size() - begin);
      pieces.update(std::span(data).subspan(begin, size));
      begin += size;
    }
    EXPECT_EQ(pieces.value(), checksum(data));
  }
}

TEST(Checksum, ACopyGoesOnByItself) {
  Checksum first;
  first.update(bytes_of("a"));
  Checksum second = first;
  second.update(bytes_of("bc"));
  EXPECT_EQ(first.value(), checksum(bytes_of("a")));
  EXPECT_EQ(second.value(), checksum(bytes_of("abc")));
  second = first;
  EXPECT_EQ(second.value(), checksum(bytes_of("a")));
}

TEST(Checksum, AStateGoesOnElsewhere) {
  std::mt19937 random(2);
  std::vector<std::byte> data(50'000);
  for (std::byte& byte : data) byte = static_cast<std::byte>(random());
  for (int repeat = 0; repeat < 200; ++repeat) {
    const std::size_t cut = random() % data.size();
    Checksum first, second;
    first.update(std::span(data).first(cut));
    second.update(bytes_of("forgotten"));
    const Bytes state = first.state();
    EXPECT_EQ(state.size(), Checksum::state_bytes);
    second.resume(state);
    second.update(std::span(data).subspan(cut));
    EXPECT_EQ(second.value(), checksum(data)) << cut;
  }
}

TEST(Checksum, RefusesWhatIsNoState) {
  Checksum sum;
  sum.update(bytes_of("abc"));
  EXPECT_THROW(sum.resume({}), Error);
  EXPECT_THROW(sum.resume(Bytes(Checksum::state_bytes, std::byte{0xFF})), Error);
  EXPECT_EQ(sum.value(), checksum(bytes_of("abc")));
}

TEST(Checksum, OfNoPieceIsThatOfNothing) {
  EXPECT_EQ(Checksum().value(), checksum({}));
}

TEST(Checksum, SeesEveryFlippedBit) {
  std::vector<std::byte> data(300, std::byte{7});
  const std::uint64_t good = checksum(data);
  for (std::size_t bit = 0; bit < data.size() * 8; ++bit) {
    data[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_NE(checksum(data), good) << bit;
    data[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

}  // namespace
}  // namespace holdfast
