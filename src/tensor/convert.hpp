#pragma once

#include <cstddef>
#include <holdfast/tensor.hpp>

namespace holdfast {

/// The value of one element. Exact, except that i64 and u64 beyond 2^53 are rounded. Throws Error(internal) for c64 and
/// c128: pass their parts as f32 or f64.
[[nodiscard]] double to_double(DType dtype, const std::byte* element);

/// Whether convert() supports the pair. It refuses complex to any other type, and bool from or to any type but
/// integers.
[[nodiscard]] bool convertible(DType from, DType to) noexcept;

/// Converts `count` elements. The two sides may be unaligned and must not overlap. The same dtype is copied bit by bit.
///
/// - to a float: nearest, ties to even; overflow gives infinity, in f8e4m3 (which has none) NaN; NaN stays NaN
/// - to an integer: nearest, ties to even, clamped to the range; NaN gives 0; integers never pass through a float
/// - to complex: each part by the rules above; the imaginary part of a real number is 0
/// - bool: an integer other than 0 becomes true; true becomes 1
///
/// Throws Error(mismatch) if convertible() returns false.
void convert(DType from, const std::byte* in, DType to, std::byte* out, std::size_t count);

}  // namespace holdfast
