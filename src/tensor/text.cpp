#include "tensor/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <concepts>
#include <vector>

#include "tensor/box.hpp"
#include "tensor/stored_type.hpp"

namespace holdfast {
namespace {

/// Removes the last UTF-8 character, which may be incomplete. Keeps ASCII characters.
void drop_last_character(std::string& text) {
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
  while (!text.empty() && continues(text.back())) text.pop_back();
  if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0x80) text.pop_back();
}

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\')
      result += {'\\', c};
    else if (c == '\n')
      result += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      result += c;
  }
  return result;
}

}  // namespace

std::string number_text(DType dtype, const std::byte* element) {
  return visit(dtype, [&]<class T>(T) -> std::string {
    const T number = load_element<T>(element);
    if constexpr (std::same_as<T, Boolean>)
      return number.bits != 0 ? "true" : "false";
    else if constexpr (is_complex<T>)
      return fmt::format("{}{:+}i", number.real(), number.imag());
    else if constexpr (std::is_arithmetic_v<T>)
      return fmt::format("{}", number);
    else
      return fmt::format("{}", number.value());
  });
}

std::string numbers_text(DType dtype, const Shape& shape, std::span<const std::byte> start) {
  if (shape.empty()) return number_text(dtype, start.data());
  const std::size_t size = size_of(dtype), shown = std::min<std::size_t>(start.size() / size, most_shown_elements);
  std::vector<std::string> numbers;
  for (std::size_t i = 0; i < shown; ++i) numbers.push_back(number_text(dtype, start.data() + i * size));
  return volume(shape) > shown ? fmt::format("[{}, … {} in all]", fmt::join(numbers, ", "), volume(shape))
                               : fmt::format("[{}]", fmt::join(numbers, ", "));
}

std::string quoted_text(std::uint64_t bytes, std::span<const std::byte> start) {
  const std::size_t shown = std::min<std::size_t>(start.size(), most_shown_characters);
  std::string text(reinterpret_cast<const char*>(start.data()), shown);
  if (bytes <= shown) return '"' + escaped(text) + '"';
  drop_last_character(text);
  return fmt::format("\"{}\"… {} bytes in all", escaped(text), bytes);
}

}  // namespace holdfast
