#include "plan/planner_answers.hpp"

#include <utility>

#include "base/error_text.hpp"

namespace holdfast::plan {
namespace {

bool decides(const SavePlanner& planner) {
  return planner.name_in_file || planner.leave_out || planner.stored_as || planner.saved_by || planner.planned;
}

}  // namespace

PlannerAnswers* PlannerAnswers::of(const SavePlanner& planner) {
  planner_ = &planner;
  const std::uint64_t version = decides(planner) ? planner.version + 1 : 0;
  if (std::exchange(version_, version) != version) answers_.clear();
  return version != 0 ? this : nullptr;
}

const PlannerAnswer& PlannerAnswers::about_tensor(const std::string& name, DType dtype) {
  PlannerAnswer& answer = about(name);
  if (!planner_->stored_as || answer.is_left_out || (answer.stored && answer.dtype == dtype)) return answer;
  answer.dtype = dtype;
  answer.stored = planner_->stored_as(name, dtype);
  return answer;
}

const PlannerAnswer& PlannerAnswers::about_value(const std::string& name) {
  return about(name);
}

PlannerAnswer& PlannerAnswers::about(const std::string& name) {
  const auto known = answers_.find(name);
  if (known != answers_.end()) return known->second;
  PlannerAnswer answer{.is_left_out = planner_->leave_out && planner_->leave_out(name), .name_in_file = name};
  if (planner_->name_in_file && !answer.is_left_out) answer.name_in_file = planner_->name_in_file(name);
  return answers_.emplace(name, std::move(answer)).first->second;
}

}  // namespace holdfast::plan
