#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <holdfast/error.hpp>
#include <holdfast/tensor.hpp>

#include "tensor/narrow_float.hpp"

namespace holdfast {

/// A bool as it is stored: 0 is false, any other byte is true.
struct Boolean {
  std::uint8_t bits = 0;
};

template <class T>
inline constexpr bool is_complex = false;
template <class T>
inline constexpr bool is_complex<std::complex<T>> = true;

/// Calls `function` with a default value of the C++ type that has the layout of `dtype`. Throws Error(internal) if
/// there is none.
template <class Function>
decltype(auto) visit(DType dtype, Function&& function) {
  switch (dtype) {
    case DType::f64:
      return function(double{});
    case DType::f32:
      return function(float{});
    case DType::f16:
      return function(F16{});
    case DType::bf16:
      return function(BF16{});
    case DType::f8e4m3:
      return function(F8E4M3{});
    case DType::f8e5m2:
      return function(F8E5M2{});
    case DType::i8:
      return function(std::int8_t{});
    case DType::i16:
      return function(std::int16_t{});
    case DType::i32:
      return function(std::int32_t{});
    case DType::i64:
      return function(std::int64_t{});
    case DType::u8:
      return function(std::uint8_t{});
    case DType::u16:
      return function(std::uint16_t{});
    case DType::u32:
      return function(std::uint32_t{});
    case DType::u64:
      return function(std::uint64_t{});
    case DType::boolean:
      return function(Boolean{});
    case DType::c64:
      return function(std::complex<float>{});
    case DType::c128:
      return function(std::complex<double>{});
  }
  throw Error(ErrorCode::internal, "there is no dtype " + std::to_string(static_cast<int>(dtype)));
}

/// Loads an element, which may be unaligned.
template <class T>
[[nodiscard]] T load_element(const std::byte* element) noexcept {
  T value;
  std::memcpy(&value, element, sizeof value);
  return value;
}

}  // namespace holdfast
