#pragma once

#include <cstdint>
#include <holdfast/planner.hpp>
#include <map>
#include <optional>
#include <string>

namespace holdfast::plan {

/// What a planner says of a name.
struct PlannerAnswer {
  bool is_left_out = false;
  std::string name_in_file;
  DType dtype{};                     ///< the type that the file has without the planner; not known for values
  std::optional<DType> stored = {};  ///< the type that it has instead
};

/// The answers of a planner, which is asked once for each name until its version changes. Not thread-safe.
class PlannerAnswers {
 public:
  /// Returns the answers of this planner, which is borrowed until the next call; null if it decides nothing. Forgets
  /// those of another version.
  [[nodiscard]] PlannerAnswers* of(const SavePlanner& planner);

  /// Throws what the planner throws.
  [[nodiscard]] const PlannerAnswer& about_tensor(const std::string& name, DType dtype);
  [[nodiscard]] const PlannerAnswer& about_value(const std::string& name);
  /// Equal numbers: the same answers. Not 0.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

 private:
  PlannerAnswer& about(const std::string& name);

  const SavePlanner* planner_ = nullptr;
  std::uint64_t version_ = 0;  ///< SavePlanner::version and one; 0: the planner decided nothing
  std::map<std::string, PlannerAnswer> answers_;
};

}  // namespace holdfast::plan
