#pragma once

#include <cstddef>
#include <holdfast/attributes.hpp>
#include <string>

namespace holdfast::settings {

/// Most bytes of all attributes of a save as text.
constexpr std::size_t most_attribute_bytes = 4000;

/// The attributes as a JSON object, as they travel and stand in the file; "{}" for none. Pure. Bytes that are no UTF-8
/// become replacement characters.
[[nodiscard]] std::string to_text(const Attributes& attributes);
/// The inverse of to_text(), which ignores space at the end. Text that is no JSON object has no attributes, and members
/// that are neither text nor a number are left out. Pure.
[[nodiscard]] Attributes parse_attributes(const std::string& text);
/// What the attributes have to be instead (limits.hpp).
[[nodiscard]] std::string attribute_limit(const Attributes& attributes);

}  // namespace holdfast::settings
