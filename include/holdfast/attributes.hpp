#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>

namespace holdfast {

/// Text or a number that describes a save, such as a run's name, a commit or a learning rate.
using Attribute = std::variant<std::int64_t, double, std::string>;
/// Attributes by name. Names and texts are UTF-8, and numbers finite; as JSON all together take at most 4,000 bytes.
using Attributes = std::map<std::string, Attribute>;

}  // namespace holdfast
