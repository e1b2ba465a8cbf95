#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/numbering.hpp"
#include "plan/plan.hpp"

namespace holdfast::plan {

/// Finds datasets by their names.
class Names {
 public:
  /// `datasets` are borrowed. Throws Error(corrupt) where two have the same name.
  explicit Names(std::span<const Dataset> datasets);

  /// The dataset's position; nothing where none has this name.
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view name) const;

 private:
  std::span<const Dataset> datasets_;
  Numbering numbers_;
};

}  // namespace holdfast::plan
