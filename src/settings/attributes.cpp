#include "settings/attributes.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace holdfast::settings {
namespace {

using nlohmann::json;

json object_of(const Attributes& attributes) {
  json object = json::object();
  for (const auto& [name, attribute] : attributes)
    std::visit([&, &key = name](const auto& value) { object[key] = value; }, attribute);
  return object;
}

/// Whether the text is the same when it comes back.
bool comes_back(const Attributes& attributes) {
  try {
    return parse_attributes(object_of(attributes).dump()) == attributes;
  } catch (const json::exception&) {
    return false;  // not UTF-8
  }
}

}  // namespace

std::string to_text(const Attributes& attributes) {
  return object_of(attributes).dump(-1, ' ', false, json::error_handler_t::replace);
}

Attributes parse_attributes(const std::string& text) {
  Attributes attributes;
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return attributes;
  for (const auto& [name, value] : object.items()) {
    if (value.is_string())
      attributes[name] = value.get<std::string>();
    else if (value.is_number_integer())
      attributes[name] = value.get<std::int64_t>();
    else if (value.is_number())
      attributes[name] = value.get<double>();
  }
  return attributes;
}

std::string attribute_limit(const Attributes& attributes) {
  if (!comes_back(attributes)) return "names and texts are UTF-8, and numbers finite";
  const std::size_t bytes = to_text(attributes).size();
  if (bytes > most_attribute_bytes)
    return fmt::format("attributes have at most {} bytes as JSON, and these {}", most_attribute_bytes, bytes);
  return {};
}

}  // namespace holdfast::settings
