#pragma once

#include <cstddef>
#include <holdfast/tensor.hpp>

namespace holdfast::inspect {

/// |a - b|; for complex numbers the modulus. Two NaNs have distance 0, NaN and a number infinity. Integers are
/// subtracted as integers, so that neighbours beyond 2^53 differ by 1.
[[nodiscard]] double distance(DType dtype, const std::byte* a, const std::byte* b);

}  // namespace holdfast::inspect
