#pragma once

#include <cstddef>
#include <cstdint>
#include <holdfast/tensor.hpp>
#include <span>
#include <string>

namespace holdfast {

/// How much of a value the texts below show at most.
inline constexpr std::uint64_t most_shown_elements = 8;
inline constexpr std::uint64_t most_shown_characters = 60;

/// The text of one element: "7", "0.5", "true", "1+2i". Numbers have the shortest text that reads back as the same
/// number.
[[nodiscard]] std::string number_text(DType dtype, const std::byte* element);

/// The text of several elements: "7" for a scalar, "[1, 2]", "[1, 2, 3, 4, 5, 6, 7, 8, … 100 in all]". `start` holds
/// the first elements of the shape.
[[nodiscard]] std::string numbers_text(DType dtype, const Shape& shape, std::span<const std::byte> start);

/// A text of `bytes` bytes in quotes, with control characters and quotes escaped. If `start` is only its beginning, the
/// result does not end inside a UTF-8 character.
[[nodiscard]] std::string quoted_text(std::uint64_t bytes, std::span<const std::byte> start);

}  // namespace holdfast
