#pragma once

#include <cstdint>
#include <holdfast/state_dict.hpp>
#include <vector>

#include "plan/plan.hpp"
#include "plan/planner_answers.hpp"
#include "plan/renames.hpp"

namespace holdfast::plan {

/// A rank's StateDict as items: its tensors, then its values, in the order in which they were added, without those that
/// a planner leaves out. `memory[i]` is where the box of `items[i]` lies now.
struct LocalPlan {
  std::vector<Item> items;
  std::vector<TensorView> memory;
  std::vector<std::uint32_t> entries;  ///< by item: which of the state's tensors or values it is
  std::uint64_t fingerprint = 0;       ///< checksum of `items` without the values' contents; 0 without items
  std::uint64_t values = 0;            ///< checksum of the contents of the values that must be the same on all ranks

  std::size_t tensors = 0;                ///< number of items that are tensors
  std::size_t state_tensors = 0;          ///< number of the state's tensors, left out or not
  std::uint64_t tensors_checksum = 0;     ///< of the state's tensors, left out or not, and the planner's version
  std::uint64_t tensors_fingerprint = 0;  ///< checksum of the tensors' items; 0 without tensors
};

/// Pure. Throws Error(invalid_argument), naming the tensor, for the StateDict's own problem, a null pointer with bytes,
/// a box outside its global shape, an unknown dtype, sizes or strides that overflow, or more than max_dimensions.
/// `answers` are the planner's; null: there is none.
[[nodiscard]] LocalPlan make_local_plan(const StateDict& state, PlannerAnswers* answers = nullptr);

/// Throws Error(invalid_argument), naming the tensor, unless the box lies in the shape and its memory can be what the
/// view says, and be written: what a load wants of a tensor. The address of memory that moves is not asked for. Pure.
void check_target(const std::string& name, const TensorView& view);

/// What a save wants of the items in addition: boxes of one name have the same dtype and global shape, and no two of
/// them share an element. Throws Error(invalid_argument), naming the tensor and both boxes. Pure.
void check_boxes(const std::vector<Item>& items);

/// The names of the items in the program and in the file, each once.
[[nodiscard]] std::vector<Rename> renames_of(const LocalPlan& plan);

/// Updates `plan`, made for this state or another one, to what make_local_plan(state, answers) returns. Where the
/// tensors are the same, looks only at the values, and at addresses that may change: the work of a save in steady
/// state. Leaves an empty plan if it throws.
void update(LocalPlan& plan, const StateDict& state, PlannerAnswers* answers = nullptr);

}  // namespace holdfast::plan
