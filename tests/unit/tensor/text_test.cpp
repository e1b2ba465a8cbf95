#include "tensor/text.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <complex>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace holdfast {
namespace {

template <class T>
std::string text(DType dtype, T number) {
  return number_text(dtype, reinterpret_cast<const std::byte*>(&number));
}

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::string quoted(const std::string& text, std::size_t known) {
  return quoted_text(text.size(), std::as_bytes(std::span(text)).first(known));
}

TEST(NumberText, ReadsBackAsTheSameNumber) {
  EXPECT_EQ(text(DType::f64, 0.1), "0.1");
  EXPECT_EQ(text(DType::f32, 0.1f), "0.1");
  EXPECT_EQ(text(DType::bf16, std::uint16_t{0x4049}), "3.140625");
  EXPECT_EQ(text(DType::f8e4m3, std::uint8_t{0x7e}), "448");
  EXPECT_EQ(text(DType::u64, std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(text(DType::i8, std::int8_t{65}), "65");
  EXPECT_EQ(text(DType::boolean, std::uint8_t{1}), "true");
  EXPECT_EQ(text(DType::c64, std::complex<float>(1.5f, -2.0f)), "1.5-2i");
  EXPECT_EQ(text(DType::f64, nan), "nan");
}

TEST(NumbersText, OfScalarsAndVectors) {
  std::vector<std::uint32_t> numbers(100);
  std::iota(numbers.begin(), numbers.end(), 1);
  const auto start = std::as_bytes(std::span(numbers)).first(16 * sizeof(std::uint32_t));
  EXPECT_EQ(numbers_text(DType::u32, {}, start), "1");
  EXPECT_EQ(numbers_text(DType::u32, {3}, start.first(12)), "[1, 2, 3]");
  EXPECT_EQ(numbers_text(DType::u32, {100}, start), "[1, 2, 3, 4, 5, 6, 7, 8, … 100 in all]");
  EXPECT_EQ(numbers_text(DType::u32, {0}, {}), "[]");
}

TEST(QuotedText, IsEscapedAndCutBetweenCharacters) {
  EXPECT_EQ(quoted("say \"hi\"\n", 9), "\"say \\\"hi\\\"\\n\"");
  const std::string text(59, 'x');
  EXPECT_EQ(quoted(text + "ééé", 64), fmt::format("\"{}\"… 65 bytes in all", text));
}

}  // namespace
}  // namespace holdfast
