#pragma once

#include <cstddef>
#include <cstdint>
#include <holdfast/tensor.hpp>
#include <span>
#include <string>

namespace holdfast {

/// What the texts below show of a value at most.
inline constexpr std::uint64_t most_shown_elements = 8;
inline constexpr std::uint64_t most_shown_characters = 60;

/// One element in words: "7", "0.5", "true", "1+2i"; the shortest text that reads back as the same number.
[[nodiscard]] std::string number_text(DType dtype, const std::byte* element);

/// "7" for a scalar, "[1, 2]", "[1, 2, 3, 4, 5, 6, 7, 8, … 100 in all]": of elements of which `start` has the first ones.
[[nodiscard]] std::string numbers_text(DType dtype, const Shape& shape, std::span<const std::byte> start);

/// In quotes, with control characters and quotes escaped; where `start` is not all of the `bytes`, not cut inside a UTF-8 character.
[[nodiscard]] std::string quoted_text(std::uint64_t bytes, std::span<const std::byte> start);

}  // namespace holdfast
