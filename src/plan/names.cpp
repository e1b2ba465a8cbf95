#include "plan/names.hpp"

#include <fmt/format.h>

namespace holdfast::plan {

Names::Names(std::span<const Dataset> datasets) : datasets_(datasets), numbers_(datasets.size()) {
  for (std::uint32_t i = 0; i < datasets.size(); ++i) {
    const std::string& name = datasets[i].name;
    if (numbers_.intern(key_of(name), [&](std::uint32_t n) { return datasets[n].name == name; }) != i)
      throw Error(ErrorCode::corrupt, fmt::format("the name {} stands twice in the datasets table", name));
  }
}

std::optional<std::uint32_t> Names::find(std::string_view name) const {
  return numbers_.find(key_of(name), [&](std::uint32_t n) { return datasets_[n].name == name; });
}

}  // namespace holdfast::plan
