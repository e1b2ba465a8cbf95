#include "tensor/convert.hpp"

#include <bit>
#include <cmath>
#include <concepts>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include "tensor/stored_type.hpp"

namespace holdfast {
namespace {

template <class T>
concept Narrow = requires(T number) {
  number.value();
};
template <class T>
concept Integer = std::integral<T>;
template <class T>
concept Float = std::floating_point<T> || Narrow<T>;

template <class From, class To>
constexpr bool possible() {
  if constexpr (std::same_as<From, To>)
    return true;
  else if constexpr (is_complex<From>)
    return is_complex<To>;
  else if constexpr (std::same_as<From, Boolean>)
    return Integer<To>;
  else if constexpr (std::same_as<To, Boolean>)
    return Integer<From>;
  else
    return true;
}

double widen(std::floating_point auto number) {
  return number;
}
double widen(Narrow auto number) {
  return number.value();
}

/// An integer as a double whose last bit is set if bits were lost ("round to odd"). Rounding it once more, to a type
/// that is at least two bits narrower, gives the same result as rounding the integer itself.
double widen(Integer auto number) {
  const bool negative = std::cmp_less(number, 0);
  const std::uint64_t magnitude =
      negative ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
  const int lost_bits = std::max(0, static_cast<int>(std::bit_width(magnitude)) - 53);
  const std::uint64_t lost = magnitude & ((1ull << lost_bits) - 1);
  const double kept = std::ldexp(static_cast<double>(magnitude >> lost_bits | (lost != 0 ? 1 : 0)), lost_bits);
  return negative ? -kept : kept;
}

template <Integer To>
To saturate(Integer auto number) {
  if (std::in_range<To>(number)) return static_cast<To>(number);
  return std::cmp_less(number, 0) ? std::numeric_limits<To>::min() : std::numeric_limits<To>::max();
}

template <Integer To>
To round_to_integer(double number) {
  using Limits = std::numeric_limits<To>;
  constexpr double above = 2.0 * static_cast<double>(1ull << (Limits::digits - 1));  // 2^digits, too large
  const double rounded = std::nearbyint(number);
  if (std::isnan(rounded)) return 0;
  if (rounded >= above) return Limits::max();
  if (rounded < static_cast<double>(Limits::min())) return Limits::min();
  return static_cast<To>(rounded);
}

/// BF16 is the upper half of a float, so it takes no way through double. A carry of the rounding goes into the
/// exponent, up to infinity; NaN becomes what BF16::nearest() makes of it.
BF16 to_bf16(float number) {
  const auto bits = std::bit_cast<std::uint32_t>(number);
  const std::uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, nan = (bits >> 16 & 0x8000) | 0x7fc0;
  return {static_cast<std::uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded)};
}

float to_float(BF16 number) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(number.bits) << 16);
}

template <class To, class From>
To cast(From number) {
  if constexpr (std::same_as<From, float> && std::same_as<To, BF16>) {
    return to_bf16(number);
  } else if constexpr (std::same_as<From, BF16> && std::same_as<To, float>) {
    return to_float(number);
  } else if constexpr (is_complex<To>) {
    using Part = typename To::value_type;
    if constexpr (is_complex<From>)
      return To(cast<Part>(number.real()), cast<Part>(number.imag()));
    else
      return To(cast<Part>(number), Part{0});
  } else if constexpr (std::same_as<To, Boolean>) {
    return {static_cast<std::uint8_t>(number != 0)};
  } else if constexpr (std::same_as<From, Boolean>) {
    return static_cast<To>(number.bits != 0);
  } else if constexpr (Narrow<To>) {
    return To::nearest(widen(number));
  } else if constexpr (Float<To>) {
    if constexpr (Narrow<From>)
      return static_cast<To>(number.value());
    else
      return static_cast<To>(number);
  } else if constexpr (Integer<From>) {
    return saturate<To>(number);
  } else {
    return round_to_integer<To>(widen(number));
  }
}

template <class From, class To>
void convert_all(const std::byte* in, std::byte* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const To result = cast<To>(load_element<From>(in + i * sizeof(From)));
    std::memcpy(out + i * sizeof(To), &result, sizeof result);
  }
}

}  // namespace

double to_double(DType dtype, const std::byte* element) {
  return visit(dtype, [&]<class T>(T) -> double {
    const T number = load_element<T>(element);
    if constexpr (Narrow<T>)
      return number.value();
    else if constexpr (std::same_as<T, Boolean>)
      return number.bits != 0;
    else if constexpr (is_complex<T>)
      throw Error(ErrorCode::internal, "a complex number is not one number");
    else
      return static_cast<double>(number);
  });
}

bool convertible(DType from, DType to) noexcept {
  return visit(from, [&]<class From>(From) { return visit(to, []<class To>(To) { return possible<From, To>(); }); });
}

void convert(DType from, const std::byte* in, DType to, std::byte* out, std::size_t count) {
  if (count == 0) return;
  visit(from, [&]<class From>(From) {
    visit(to, [&]<class To>(To) {
      if constexpr (std::same_as<From, To>)
        std::memcpy(out, in, count * sizeof(From));
      else if constexpr (possible<From, To>())
        convert_all<From, To>(in, out, count);
      else
        throw Error(ErrorCode::mismatch,
                    "cannot convert " + std::string(to_string(from)) + " to " + std::string(to_string(to)));
    });
  });
}

}  // namespace holdfast
