#pragma once

#include <cstddef>
#include <holdfast/tensor.hpp>
#include <string>

namespace holdfast::inspect {

/// One element in words: "7", "0.5", "true", "1+2i"; the shortest text that reads back as the same number.
[[nodiscard]] std::string number_text(DType dtype, const std::byte* element);

/// |a - b|, for complex numbers the modulus. Two NaNs are 0 apart, NaN and a number infinitely far. Integers are subtracted
/// as integers, so that neighbours beyond 2^53 differ by 1.
[[nodiscard]] double distance(DType dtype, const std::byte* a, const std::byte* b);

}  // namespace holdfast::inspect
