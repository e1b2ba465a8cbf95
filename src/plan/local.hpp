#pragma once

#include <cstdint>
#include <holdfast/state_dict.hpp>
#include <vector>

#include "plan/plan.hpp"

namespace holdfast::plan {

/// A rank's StateDict in the words of planning: its tensors, then its values, in the order they were added. `memory[i]`
/// is where the box of `items[i]` lies now.
struct LocalPlan {
  std::vector<Item> items;
  std::vector<TensorView> memory;
  std::uint64_t fingerprint = 0;  ///< of all in `items` but the values' contents, what a plan depends on; 0 without any
  std::uint64_t values = 0;       ///< of the contents of the values that must be the same on all ranks

  std::size_t tensors = 0;                ///< how many of the items
  std::uint64_t tensors_checksum = 0;     ///< StateDict::tensors_checksum() of them
  std::uint64_t tensors_fingerprint = 0;  ///< their part of `fingerprint`; 0 without any
};

/// Pure. Throws Error(invalid_argument), naming the tensor: the StateDict's own problem, a null pointer with bytes, a box
/// outside its global shape, a dtype that is none, sizes or strides that overflow, more than max_dimensions.
[[nodiscard]] LocalPlan make_local_plan(const StateDict& state);

/// Makes `plan`, which was made for this state or another one, what make_local_plan(state) returns. Where the tensors are the
/// same, in the same memory, only the values are looked at: the work of a save in steady state. An empty plan if it throws.
void update(LocalPlan& plan, const StateDict& state);

}  // namespace holdfast::plan
