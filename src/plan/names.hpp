#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/intern_table.hpp"
#include "plan/plan.hpp"

namespace holdfast::plan {

/// Finds datasets by name.
class Names {
 public:
  /// `datasets` are borrowed. Throws Error(corrupt) where two have the same name.
  explicit Names(std::span<const Dataset> datasets);

  /// The position of the dataset with this name, if there is one.
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view name) const;

 private:
  std::span<const Dataset> datasets_;
  InternTable numbers_;
};

}  // namespace holdfast::plan
