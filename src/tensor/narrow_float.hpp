#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace holdfast {

/// A binary floating-point number of at most 16 bits: sign, exponent, mantissa. In types without infinity ("fn", such
/// as OCP's f8e4m3) the largest exponent encodes numbers too, and only all ones is NaN.
template <class Bits, int exponent_bits, int mantissa_bits, bool has_infinity>
struct NarrowFloat {
  Bits bits = 0;

  static constexpr int bias = (1 << (exponent_bits - 1)) - 1;
  static constexpr std::uint64_t exponent_mask = (1u << exponent_bits) - 1;
  static constexpr std::uint64_t mantissa_mask = (1u << mantissa_bits) - 1;
  static constexpr std::uint64_t sign_bit = 1u << (exponent_bits + mantissa_bits);
  /// The result of overflow: infinity, or NaN in types without infinity.
  static constexpr std::uint64_t overflow = exponent_mask << mantissa_bits | (has_infinity ? 0 : mantissa_mask);
  static constexpr std::uint64_t quiet_nan = overflow | 1u << (mantissa_bits - 1);

  /// The value, exact.
  [[nodiscard]] constexpr double value() const noexcept {
    const std::uint64_t sign = bits & sign_bit ? 1ull << 63 : 0;
    const std::uint64_t magnitude = bits & (sign_bit - 1);
    if (magnitude >= overflow)
      return std::bit_cast<double>(sign | 0x7ffull << 52 | (magnitude & mantissa_mask) << (52 - mantissa_bits));
    const std::uint64_t exponent = magnitude >> mantissa_bits;
    if (exponent == 0) {  // subnormal: a multiple of the last bit
      constexpr auto last_bit = std::bit_cast<double>(std::uint64_t{1023 + 1 - bias - mantissa_bits} << 52);
      return std::bit_cast<double>(sign | std::bit_cast<std::uint64_t>(static_cast<double>(magnitude) * last_bit));
    }
    return std::bit_cast<double>(sign | (exponent + 1023 - bias) << 52 |
                                 (magnitude & mantissa_mask) << (52 - mantissa_bits));
  }

  /// The nearest number, ties to even. A NaN becomes a quiet NaN of the same sign.
  [[nodiscard]] static constexpr NarrowFloat nearest(double number) noexcept {
    const auto wide = std::bit_cast<std::uint64_t>(number);
    const std::uint64_t sign = wide >> 63 ? sign_bit : 0;
    const std::uint64_t magnitude = wide & ~(1ull << 63);
    if (magnitude > 0x7ffull << 52) return {static_cast<Bits>(sign | quiet_nan)};

    const int exponent = static_cast<int>(magnitude >> 52) - 1023;
    const int below_normal = std::max(0, 1 - bias - exponent);
    const int shift = 52 - mantissa_bits + below_normal;
    if (shift > 53) return {static_cast<Bits>(sign)};  // less than half of the smallest number
    const std::uint64_t significand = (magnitude & ((1ull << 52) - 1)) | 1ull << 52;
    const std::uint64_t rest = significand & ((1ull << shift) - 1);
    const std::uint64_t half = 1ull << (shift - 1);
    std::uint64_t rounded = significand >> shift;
    if (rest > half || (rest == half && (rounded & 1))) ++rounded;
    // The leading one of a normal number adds 1 to the exponent, and so does a carry from rounding up.
    if (below_normal == 0) rounded += static_cast<std::uint64_t>(exponent + bias - 1) << mantissa_bits;
    return {static_cast<Bits>(sign | std::min(rounded, overflow))};
  }
};

using F16 = NarrowFloat<std::uint16_t, 5, 10, true>;
using BF16 = NarrowFloat<std::uint16_t, 8, 7, true>;
using F8E4M3 = NarrowFloat<std::uint8_t, 4, 3, false>;
using F8E5M2 = NarrowFloat<std::uint8_t, 5, 2, true>;

}  // namespace holdfast
