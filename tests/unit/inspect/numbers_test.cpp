#include "inspect/numbers.hpp"

#include <gtest/gtest.h>

#include <complex>
#include <cstdint>
#include <limits>

namespace holdfast::inspect {
namespace {

template <class T>
double apart(DType dtype, T a, T b) {
  return distance(dtype, reinterpret_cast<const std::byte*>(&a), reinterpret_cast<const std::byte*>(&b));
}
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

TEST(Distance, OfEveryKindOfNumber) {
  EXPECT_EQ(apart(DType::f64, 1.0, 1.5), 0.5);
  EXPECT_EQ(apart(DType::f16, std::uint16_t{0x3c00}, std::uint16_t{0xbc00}), 2.0);
  EXPECT_EQ(apart(DType::u8, std::uint8_t{3}, std::uint8_t{250}), 247.0);
  EXPECT_EQ(apart(DType::i8, std::int8_t{-128}, std::int8_t{127}), 255.0);
  EXPECT_EQ(apart(DType::boolean, std::uint8_t{0}, std::uint8_t{1}), 1.0);
  EXPECT_EQ(apart(DType::c128, std::complex<double>(0, 0), std::complex<double>(3, 4)), 5.0);
}

TEST(Distance, IntegersBeyondADoubleAreExact) {
  const std::int64_t large = (std::int64_t{1} << 60);
  EXPECT_EQ(apart(DType::i64, large, large + 1), 1.0);
  EXPECT_EQ(apart(DType::i64, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()),
            0x1p64);
}

TEST(Distance, NaNAndInfinity) {
  EXPECT_EQ(apart(DType::f64, nan, nan), 0.0);
  EXPECT_EQ(apart(DType::f64, nan, 1.0), infinity);
  EXPECT_EQ(apart(DType::f64, infinity, infinity), 0.0);
  EXPECT_EQ(apart(DType::f64, infinity, -infinity), infinity);
  EXPECT_EQ(apart(DType::f64, 0.0, -0.0), 0.0);
}

}  // namespace
}  // namespace holdfast::inspect
