#include "tensor/convert.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <complex>
#include <cstring>
#include <holdfast/error.hpp>
#include <limits>
#include <random>
#include <vector>

namespace holdfast {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

template <class To, class From>
To converted(DType from, From number, DType to) {
  EXPECT_EQ(size_of(from), sizeof(From));
  EXPECT_EQ(size_of(to), sizeof(To));
  To result{};
  convert(from, reinterpret_cast<const std::byte*>(&number), to, reinterpret_cast<std::byte*>(&result), 1);
  return result;
}

/// What IEEE 754 (and OCP's 8-bit formats) say a narrow float is, written down apart from the code under test.
struct Format {
  DType dtype;
  int exponent_bits, mantissa_bits;
  bool has_infinity;

  [[nodiscard]] unsigned patterns() const { return 1u << (1 + exponent_bits + mantissa_bits); }
  [[nodiscard]] double value(unsigned pattern) const {
    const unsigned mantissa = pattern % (1u << mantissa_bits);
    const unsigned exponent = (pattern >> mantissa_bits) % (1u << exponent_bits);
    const double sign = pattern >= patterns() / 2 ? -1 : 1;
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const bool top = exponent == (1u << exponent_bits) - 1;
    if (has_infinity && top) return mantissa != 0 ? nan : sign * infinity;
    if (top && mantissa == (1u << mantissa_bits) - 1) return nan;
    if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
    return sign * std::ldexp((1u << mantissa_bits) + mantissa, static_cast<int>(exponent) - bias - mantissa_bits);
  }
  [[nodiscard]] unsigned largest() const {
    return (((1u << exponent_bits) - 1) << mantissa_bits) + (has_infinity ? 0 : (1u << mantissa_bits) - 1) - 1;
  }
  [[nodiscard]] double decode(unsigned pattern) const {
    const auto bits = static_cast<std::uint16_t>(pattern);  // little-endian: the first byte is the 8-bit pattern
    return to_double(dtype, reinterpret_cast<const std::byte*>(&bits));
  }
  [[nodiscard]] unsigned encode(double number) const {
    std::uint16_t bits = 0;
    convert(DType::f64, reinterpret_cast<const std::byte*>(&number), dtype, reinterpret_cast<std::byte*>(&bits), 1);
    return bits;
  }
};

const Format formats[] = {
    {DType::f16, 5, 10, true}, {DType::bf16, 8, 7, true}, {DType::f8e4m3, 4, 3, false}, {DType::f8e5m2, 5, 2, true}};

class NarrowFormat : public testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(All, NarrowFormat, testing::ValuesIn(formats),
                         [](const auto& format) { return std::string(to_string(format.param.dtype)); });

TEST_P(NarrowFormat, EveryPatternDecodesToItsValue) {
  for (unsigned pattern = 0; pattern < GetParam().patterns(); ++pattern) {
    const double expected = GetParam().value(pattern), decoded = GetParam().decode(pattern);
    if (std::isnan(expected))
      ASSERT_TRUE(std::isnan(decoded)) << pattern;
    else
      ASSERT_EQ(std::bit_cast<std::uint64_t>(decoded), std::bit_cast<std::uint64_t>(expected)) << pattern;
  }
}

TEST_P(NarrowFormat, EveryPatternComesBackFromItsValue) {
  for (unsigned pattern = 0; pattern < GetParam().patterns(); ++pattern) {
    const double value = GetParam().value(pattern);
    const unsigned encoded = GetParam().encode(value);
    if (std::isnan(value))
      ASSERT_TRUE(std::isnan(GetParam().value(encoded))) << pattern;
    else
      ASSERT_EQ(encoded, pattern);
  }
}

TEST_P(NarrowFormat, BetweenNeighboursTheNearerOneWinsAndATieIsEven) {
  const Format& format = GetParam();
  const unsigned negative = format.patterns() / 2;
  for (unsigned low = 0; std::isfinite(format.value(low + 1)); ++low) {
    const double middle = (format.value(low) + format.value(low + 1)) / 2;
    const unsigned even = low % 2 == 0 ? low : low + 1;
    for (unsigned sign : {0u, negative}) {
      const double side = sign != 0 ? -1 : 1;
      ASSERT_EQ(format.encode(side * middle), sign + even) << middle;
      ASSERT_EQ(format.encode(side * std::nextafter(middle, 0)), sign + low) << middle;
      ASSERT_EQ(format.encode(side * std::nextafter(middle, infinity)), sign + low + 1) << middle;
    }
  }
}

TEST_P(NarrowFormat, OverflowIsInfinityOrNaNWhereThereIsNone) {
  const Format& format = GetParam();
  const unsigned largest = format.largest();
  const double step = format.value(largest) - format.value(largest - 1);
  const double middle = format.value(largest) + step / 2;  // between the largest and what would come next
  const double overflow = format.has_infinity ? infinity : nan;
  for (double number : {std::nextafter(middle, infinity), format.value(largest) + step, 1e300, infinity}) {
    const double positive = format.value(format.encode(number)), negative = format.value(format.encode(-number));
    EXPECT_TRUE(positive == overflow || (std::isnan(positive) && std::isnan(overflow))) << number;
    EXPECT_TRUE(negative == -overflow || (std::isnan(negative) && std::isnan(overflow))) << number;
  }
  EXPECT_EQ(format.encode(std::nextafter(middle, 0)), largest);
}

/// Every third number lies beside the middle of two bf16 numbers, where a detour over double would see a tie.
std::uint64_t hard_integer(std::mt19937_64& random, int i) {
  const std::uint64_t number = random() >> (i % 64);
  return i % 3 == 0 ? (number & 0xff00000000000000u) | 0x0080000000000000u | random() % 3 : number;
}

TEST_P(NarrowFormat, IntegersRoundOnceNotTwice) {
  const Format& format = GetParam();
  const auto distance = [&](unsigned pattern, std::uint64_t number) {
    return std::fabs(static_cast<long double>(format.value(pattern)) - static_cast<long double>(number));
  };
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t number = hard_integer(random, i);
    std::uint16_t bits = 0;
    convert(DType::u64, reinterpret_cast<const std::byte*>(&number), format.dtype, reinterpret_cast<std::byte*>(&bits),
            1);
    if (!std::isfinite(format.value(bits))) {
      ASSERT_GT(static_cast<double>(number), format.value(format.largest()));
      continue;
    }
    for (const unsigned neighbour : {bits - 1u, bits + 1u}) {
      if (neighbour > format.largest()) continue;
      ASSERT_LE(distance(bits, number), distance(neighbour, number)) << number;
      ASSERT_TRUE(distance(bits, number) < distance(neighbour, number) || bits % 2 == 0) << number;
    }
  }
}

TEST(Convert, KnownPatterns) {
  struct Known {
    DType dtype;
    unsigned pattern;
    double value;
  };
  const Known table[] = {
      // from the standards' own tables
      {DType::f16, 0x3c00, 1.0},       {DType::f16, 0x7bff, 65504.0},   {DType::f16, 0x0001, 0x1p-24},
      {DType::f16, 0xc000, -2.0},      {DType::bf16, 0x3f80, 1.0},      {DType::bf16, 0x7f7f, 0x1.fep127},
      {DType::bf16, 0x0001, 0x1p-133}, {DType::bf16, 0x4049, 3.140625}, {DType::f8e4m3, 0x38, 1.0},
      {DType::f8e4m3, 0x7e, 448.0},    {DType::f8e4m3, 0x01, 0x1p-9},   {DType::f8e4m3, 0x08, 0x1p-6},
      {DType::f8e5m2, 0x3c, 1.0},      {DType::f8e5m2, 0x7b, 57344.0},  {DType::f8e5m2, 0x01, 0x1p-16},
      {DType::f8e5m2, 0xfc, -infinity}};
  for (const Known& known : table) {
    const auto bits = static_cast<std::uint16_t>(known.pattern);
    EXPECT_EQ(to_double(known.dtype, reinterpret_cast<const std::byte*>(&bits)), known.value)
        << to_string(known.dtype) << " " << known.pattern;
  }
}

TEST(Convert, FloatsToFloats) {
  EXPECT_EQ((converted<float>(DType::f64, 0.1, DType::f32)), 0.1f);
  EXPECT_EQ((converted<float>(DType::f64, 1e300, DType::f32)), std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(converted<float>(DType::f64, nan, DType::f32)));
  EXPECT_EQ((converted<double>(DType::f32, 0.1f, DType::f64)), static_cast<double>(0.1f));
  EXPECT_EQ((converted<std::uint16_t>(DType::f32, 1.0f, DType::bf16)), 0x3f80);
  EXPECT_EQ((converted<std::uint8_t>(DType::f16, std::uint16_t{0x7bff}, DType::f8e4m3)) & 0x7f, 0x7f);
  EXPECT_EQ((converted<std::uint16_t>(DType::f8e5m2, std::uint8_t{0x7c}, DType::bf16)), 0x7f80);
}

TEST(Convert, FloatsToIntegersRoundToEvenAndSaturate) {
  EXPECT_EQ((converted<std::int32_t>(DType::f64, 2.5, DType::i32)), 2);
  EXPECT_EQ((converted<std::int32_t>(DType::f64, 3.5, DType::i32)), 4);
  EXPECT_EQ((converted<std::int32_t>(DType::f64, -2.5, DType::i32)), -2);
  EXPECT_EQ((converted<std::int8_t>(DType::f32, 127.5f, DType::i8)), 127);
  EXPECT_EQ((converted<std::int8_t>(DType::f32, -200.0f, DType::i8)), -128);
  EXPECT_EQ((converted<std::uint8_t>(DType::f32, -1.0f, DType::u8)), 0);
  EXPECT_EQ((converted<std::uint8_t>(DType::f32, -0.25f, DType::u8)), 0);
  EXPECT_EQ((converted<std::uint8_t>(DType::f32, 255.75f, DType::u8)), 255);
  EXPECT_EQ((converted<std::int64_t>(DType::f64, 0x1p63, DType::i64)), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ((converted<std::int64_t>(DType::f64, -0x1p63, DType::i64)), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ((converted<std::int64_t>(DType::f64, -infinity, DType::i64)), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ((converted<std::uint64_t>(DType::f64, 0x1p64, DType::u64)), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ((converted<std::uint64_t>(DType::f64, 0x1.fffffffffffffp63, DType::u64)), 0xfffffffffffff800u);
  EXPECT_EQ((converted<std::int32_t>(DType::f64, nan, DType::i32)), 0);
  EXPECT_EQ((converted<std::int32_t>(DType::f16, std::uint16_t{0x7e00}, DType::i32)), 0);
}

TEST(Convert, IntegersToIntegersAreExactOrSaturate) {
  EXPECT_EQ((converted<std::uint64_t>(DType::i64, std::int64_t{9007199254740993}, DType::u64)), 9007199254740993u);
  EXPECT_EQ((converted<std::int64_t>(DType::u64, std::numeric_limits<std::uint64_t>::max(), DType::i64)),
            std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ((converted<std::uint64_t>(DType::i64, std::int64_t{-1}, DType::u64)), 0u);
  EXPECT_EQ((converted<std::int8_t>(DType::i32, std::int32_t{-1000}, DType::i8)), -128);
  EXPECT_EQ((converted<std::uint16_t>(DType::i8, std::int8_t{-1}, DType::u16)), 0);
  EXPECT_EQ((converted<std::int16_t>(DType::u8, std::uint8_t{200}, DType::i16)), 200);
}

TEST(Convert, IntegersToFloatsAreTheNearest) {
  EXPECT_EQ((converted<double>(DType::i64, std::int64_t{9007199254740993}, DType::f64)), 9007199254740992.0);
  EXPECT_EQ((converted<double>(DType::i64, std::int64_t{9007199254740995}, DType::f64)), 9007199254740996.0);
  EXPECT_EQ((converted<float>(DType::i64, std::numeric_limits<std::int64_t>::min(), DType::f32)), -0x1p63f);
  EXPECT_EQ((converted<float>(DType::u64, std::numeric_limits<std::uint64_t>::max(), DType::f32)), 0x1p64f);
  // Halfway between two floats and one more: by way of double it would be a tie.
  EXPECT_EQ((converted<float>(DType::u64, (1ull << 63) + (1ull << 39) + 1, DType::f32)), 0x1.000002p63f);
  EXPECT_EQ((converted<std::uint16_t>(DType::i32, std::int32_t{65520}, DType::f16)), 0x7c00);
  EXPECT_EQ((converted<std::uint16_t>(DType::i32, std::int32_t{-65519}, DType::f16)), 0xfbff);
}

/// Every sign, exponent and upper mantissa, with the lower halves that rounding turns on. f64 holds all f32, so the way
/// through it rounds once as well.
TEST(Convert, Bf16IsTheSameDirectlyAndThroughF64) {
  for (std::uint32_t upper = 0; upper <= 0xffff; ++upper)
    for (const std::uint32_t lower : {0x0000U, 0x0001U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU}) {
      const std::uint32_t number = upper << 16 | lower;
      double wide = 0;
      std::uint16_t direct = 0, by_way = 0;
      convert(DType::f32, reinterpret_cast<const std::byte*>(&number), DType::bf16,
              reinterpret_cast<std::byte*>(&direct), 1);
      convert(DType::f32, reinterpret_cast<const std::byte*>(&number), DType::f64, reinterpret_cast<std::byte*>(&wide),
              1);
      convert(DType::f64, reinterpret_cast<const std::byte*>(&wide), DType::bf16, reinterpret_cast<std::byte*>(&by_way),
              1);
      ASSERT_EQ(direct, by_way) << std::hex << number;
      std::uint32_t back = 0;
      const auto half = static_cast<std::uint16_t>(upper);
      convert(DType::bf16, reinterpret_cast<const std::byte*>(&half), DType::f32, reinterpret_cast<std::byte*>(&back),
              1);
      ASSERT_EQ(back, upper << 16) << std::hex << upper;
    }
}

TEST(Convert, Complex) {
  using C64 = std::complex<float>;
  using C128 = std::complex<double>;
  EXPECT_EQ((converted<C128>(DType::c64, C64{1.5f, -2.0f}, DType::c128)), C128(1.5, -2.0));
  EXPECT_EQ((converted<C64>(DType::c128, C128{0.1, 1e300}, DType::c64)),
            C64(0.1f, std::numeric_limits<float>::infinity()));
  EXPECT_EQ((converted<C64>(DType::i16, std::int16_t{-7}, DType::c64)), C64(-7.0f, 0.0f));
  EXPECT_EQ((converted<C128>(DType::bf16, std::uint16_t{0x3f80}, DType::c128)), C128(1.0, 0.0));
}

TEST(Convert, Bool) {
  EXPECT_EQ((converted<std::uint8_t>(DType::i32, std::int32_t{-256}, DType::boolean)), 1);
  EXPECT_EQ((converted<std::uint8_t>(DType::u64, std::uint64_t{0}, DType::boolean)), 0);
  EXPECT_EQ((converted<std::int64_t>(DType::boolean, std::uint8_t{1}, DType::i64)), 1);
}

TEST(Convert, RefusesWhatHasNoMeaning) {
  const auto refused = [](DType from, DType to) {
    const std::byte in[16]{};
    std::byte out[16]{};
    EXPECT_FALSE(convertible(from, to));
    try {
      convert(from, in, to, out, 1);
      ADD_FAILURE() << to_string(from) << " to " << to_string(to) << " was converted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::mismatch);
      EXPECT_NE(error.message().find(to_string(from)), std::string::npos);
    }
  };
  refused(DType::c64, DType::f32);
  refused(DType::c128, DType::i64);
  refused(DType::c64, DType::boolean);
  refused(DType::boolean, DType::c64);
  refused(DType::boolean, DType::f32);
  refused(DType::f8e4m3, DType::boolean);
}

TEST(Convert, EveryOtherPairWorksOnManyUnalignedElements) {
  constexpr std::size_t count = 37;
  for (int i = 0; i < dtype_count; ++i) {
    for (int j = 0; j < dtype_count; ++j) {
      const auto from = static_cast<DType>(i), to = static_cast<DType>(j);
      if (!convertible(from, to)) continue;
      std::vector<std::byte> ones(1 + count * size_of(from)), out(1 + (count + 1) * size_of(to), std::byte{0x5a}),
          back(count * size_of(DType::i64));
      const std::vector<std::int64_t> integers(count, 1);
      convert(DType::i64, reinterpret_cast<const std::byte*>(integers.data()), from, ones.data() + 1, count);
      convert(from, ones.data() + 1, to, out.data() + 1, count);
      EXPECT_EQ(out[out.size() - 1], std::byte{0x5a}) << "wrote past the end";
      if (!convertible(to, DType::i64)) continue;
      convert(to, out.data() + 1, DType::i64, back.data(), count);
      EXPECT_EQ(std::memcmp(back.data(), integers.data(), back.size()), 0)
          << to_string(from) << " to " << to_string(to);
    }
  }
}

TEST(Convert, TheSameDtypeKeepsEveryBit) {
  const std::uint32_t signalling = 0x7fa12345;
  EXPECT_EQ((converted<std::uint32_t>(DType::f32, signalling, DType::f32)), signalling);
}

TEST(Convert, NothingIsNothing) {
  EXPECT_NO_THROW(convert(DType::f32, nullptr, DType::f64, nullptr, 0));
}

}  // namespace
}  // namespace holdfast
