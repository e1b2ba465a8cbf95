#pragma once

#include <cstddef>
#include <holdfast/tensor.hpp>

namespace holdfast {

/// The value of one element: exact, but for i64 and u64 beyond 2^53, which are rounded. A complex number is two elements of
/// f32 or f64 to this function; c64 and c128 are Error(internal).
[[nodiscard]] double to_double(DType dtype, const std::byte* element);

/// Whether convert() can do it. It refuses complex to anything else, and bool from or to anything but integers.
[[nodiscard]] bool convertible(DType from, DType to) noexcept;

/// Converts `count` elements; neither side need be aligned and they must not overlap. The same dtype is copied bit by bit.
///
/// - to a float: the nearest, ties to even; overflow is infinity, in f8e4m3 (which has none) NaN; NaN stays NaN
/// - to an integer: the nearest, ties to even, at most the type's ends; NaN is 0; integers never pass through a float
/// - to complex: the parts by the rules above, the imaginary part of a real number is 0
/// - an integer other than 0 is true; true is 1
///
/// Throws Error(mismatch) where convertible() says no.
void convert(DType from, const std::byte* in, DType to, std::byte* out, std::size_t count);

}  // namespace holdfast
