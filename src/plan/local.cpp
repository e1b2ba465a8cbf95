#include "plan/local.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>

#include "base/checksum.hpp"
#include "base/codec.hpp"
#include "base/error_text.hpp"
#include "tensor/convert.hpp"
#include "tensor/cover.hpp"
#include "tensor/state_dict.hpp"
#include "tensor/strided.hpp"

namespace holdfast::plan {
namespace {

[[noreturn]] void refuse(const std::string& name, std::string sentence) {
  throw Error(ErrorCode::invalid_argument, std::move(sentence), {.tensor = name});
}

void check_dimensions(const std::string& name, const Shard& shard) {
  const std::size_t dimensions = shard.global.size();
  if (dimensions > max_dimensions)
    refuse(name, fmt::format("{} dimensions; at most {} are possible", dimensions, max_dimensions));
  if (shard.offset.size() != dimensions || shard.extent.size() != dimensions)
    refuse(name, fmt::format("the global shape {} has {} dimensions, but the offset {} and the extent {}",
                             to_string(shard.global), dimensions, shard.offset.size(), shard.extent.size()));
  if (!shard.stride.empty() && shard.stride.size() != dimensions)
    refuse(name, fmt::format("{} strides for {} dimensions", shard.stride.size(), dimensions));
}

void check_address(const std::string& name, const TensorView& view) {
  if (view.data == nullptr && !empty(view.shard.extent))
    refuse(name, fmt::format("a null pointer for {} bytes", volume(view.shard.extent) * size_of(view.dtype)));
}

void check_stored(const std::string& name, DType dtype, DType stored) {
  if (!is_known(stored)) refuse(name, fmt::format("{} is not the number of a DType", static_cast<int>(stored)));
  if (!convertible(dtype, stored) || !convertible(stored, dtype))
    refuse(name, fmt::format("{} cannot be stored as {}: there is no conversion there and back", to_string(dtype),
                             to_string(stored)));
}

void check_tensor(const std::string& name, const TensorView& view) {
  const Shard& shard = view.shard;
  if (!is_known(view.dtype)) refuse(name, fmt::format("{} is not the number of a DType", static_cast<int>(view.dtype)));
  check_dimensions(name, shard);
  if (view.stored) check_stored(name, view.dtype, *view.stored);
  if (!checked_volume(shard.global, std::max(size_of(view.dtype), size_of(view.stored.value_or(view.dtype)))))
    refuse(name, fmt::format("the global shape {} of {} has more bytes than can be counted", to_string(shard.global),
                             to_string(view.dtype)));
  if (!inside(shard.offset, shard.extent, shard.global))
    refuse(name, fmt::format("offset {} and extent {} do not lie inside the global shape {}", to_string(shard.offset),
                             to_string(shard.extent), to_string(shard.global)));
  if (!has_countable_strides(shard, size_of(view.dtype)))
    refuse(name, fmt::format("the strides ({}) of the extent {} reach over more bytes than can be counted",
                             fmt::join(shard.stride, ", "), to_string(shard.extent)));
  if (!view.address) check_address(name, view);
}

/// What a planner, if there is one, makes of an item.
Item renamed(Item item, const PlannerAnswer* answer) {
  if (answer == nullptr || answer->name_in_file == item.name) return item;
  if (const char* fault = fault_of_name(answer->name_in_file))
    refuse(item.name, fmt::format("its name in the file, {}, {}", answer->name_in_file, fault));
  item.name_in_program = std::exchange(item.name, answer->name_in_file);
  return item;
}

Item tensor_item(const std::string& name, const TensorView& view, const PlannerAnswer* answer) {
  check_tensor(name, view);
  const DType stored = view.stored.value_or(view.dtype);
  return renamed({name, DatasetKind::tensor, stored, view.shard.global, {view.shard.offset, view.shard.extent}},
                 answer);
}

Shape value_shape(const ValueRef& ref) {
  return ref.kind() == ValueRef::Kind::number ? Shape{} : Shape{ref.bytes().size() / size_of(ref.dtype())};
}

DatasetKind value_kind(const StateDict::Value& value) {
  const bool string = value.ref.kind() == ValueRef::Kind::string;
  if (value.per_rank) return string ? DatasetKind::per_rank_string : DatasetKind::per_rank;
  return string ? DatasetKind::string : DatasetKind::value;
}

Item value_item(const StateDict::Value& value, const PlannerAnswer* answer) {
  const Shape shape = value_shape(value.ref);
  return renamed({value.name, value_kind(value), value.ref.dtype(), value.per_rank ? Shape{} : shape, whole(shape)},
                 answer);
}

/// Also covers the planner, who may see the same tensors with other eyes.
std::uint64_t checksum_of_tensors(const StateDict& state, const PlannerAnswers* answers) {
  if (answers == nullptr) return tensors_checksum(state);
  const std::array chain{tensors_checksum(state), answers->version()};
  return checksum(std::as_bytes(std::span(chain)));
}

void add_tensor(LocalPlan& plan, const StateDict::Tensor& tensor, std::uint32_t entry, PlannerAnswers* answers) {
  TensorView view = tensor.view;
  const PlannerAnswer* answer = nullptr;
  if (answers != nullptr) {
    answer = &answers->about_tensor(tensor.name, view.stored.value_or(view.dtype));
    if (answer->is_left_out) return;
    if (answer->stored) view.stored = answer->stored;
  }
  plan.items.push_back(tensor_item(tensor.name, view, answer));
  view.address = {};
  plan.memory.push_back(std::move(view));
  plan.entries.push_back(entry);
}

LocalPlan plan_of_tensors(const StateDict& state, PlannerAnswers* answers) {
  LocalPlan plan;
  const std::size_t count = state.tensors().size() + state.values().size();
  plan.items.reserve(count);
  plan.memory.reserve(count);
  plan.entries.reserve(count);
  for (std::uint32_t i = 0; i < state.tensors().size(); ++i) add_tensor(plan, state.tensors()[i], i, answers);
  plan.tensors = plan.items.size();
  plan.state_tensors = state.tensors().size();
  plan.tensors_checksum = checksum_of_tensors(state, answers);
  if (plan.tensors > 0) plan.tensors_fingerprint = checksum(encode(plan.items));
  return plan;
}

/// True if `item` is what value_item(value) returns, contents aside.
bool is_item_of(const Item& item, const StateDict::Value& value) {
  const std::size_t dimensions = value.ref.kind() == ValueRef::Kind::number ? 0 : 1;
  return item.kind == value_kind(value) && item.dtype == value.ref.dtype() && item.box.dimensions() == dimensions &&
         volume(item.box.extent) * size_of(item.dtype) == value.ref.bytes().size() && item.shown() == value.name;
}

/// True if the plan has this state's values in their present sizes.
bool has_values(const LocalPlan& plan, const StateDict& state, PlannerAnswers* answers) {
  std::size_t item = plan.tensors;
  for (std::uint32_t i = 0; i < state.values().size(); ++i) {
    const StateDict::Value& value = state.values()[i];
    if (answers != nullptr && answers->about_value(value.name).is_left_out) continue;
    if (item == plan.items.size() || plan.entries[item] != i || !is_item_of(plan.items[item], value)) return false;
    ++item;
  }
  return item == plan.items.size();
}

/// Replaces the plan's values. Leaves out their contents, as a plan does not depend on them.
void add_values(LocalPlan& plan, const StateDict& state, PlannerAnswers* answers) {
  plan.items.resize(plan.tensors);
  plan.memory.resize(plan.tensors);
  plan.entries.resize(plan.tensors);
  Encoder encoder;
  encoder(plan.tensors_fingerprint, answers != nullptr ? answers->version() : 0);
  for (std::uint32_t i = 0; i < state.values().size(); ++i) {
    const StateDict::Value& value = state.values()[i];
    const PlannerAnswer* answer = answers != nullptr ? &answers->about_value(value.name) : nullptr;
    if (answer != nullptr && answer->is_left_out) continue;
    plan.items.push_back(value_item(value, answer));
    plan.memory.push_back(replicated(value.ref.bytes().data(), value.ref.dtype(), value_shape(value.ref)));
    plan.entries.push_back(i);
    encoder(plan.items.back());
  }
  plan.fingerprint = plan.items.empty() ? 0 : checksum(encoder.take());
}

/// Asks where the tensors lie now whose memory moves.
void ask_for_addresses(LocalPlan& plan, const StateDict& state) {
  for (std::size_t i = 0; i < plan.tensors; ++i) {
    const auto& [name, view] = state.tensors()[plan.entries[i]];
    if (!view.address) continue;
    try {
      plan.memory[i].data = view.address();
      check_address(name, plan.memory[i]);
    } catch (...) {
      throw current_error({.tensor = name});
    }
  }
}

/// Sets where the values lie now, and the checksums of their contents.
void look_at_values(LocalPlan& plan, const StateDict& state) {
  plan.values = 0;
  for (std::size_t i = plan.tensors; i < plan.items.size(); ++i) {
    const StateDict::Value& value = state.values()[plan.entries[i]];
    const std::span<std::byte> bytes = value.ref.bytes();
    plan.memory[i].data = bytes.data();
    if (value.per_rank) continue;
    plan.items[i].content = checksum(bytes);
    const std::array chain{plan.values, plan.items[i].content};
    plan.values = checksum(std::as_bytes(std::span(chain)));
  }
}

using BoxesByName = std::map<std::string_view, std::vector<const Item*>>;

/// The items of tensors that have several.
BoxesByName several_boxes(const std::vector<Item>& items) {
  std::unordered_map<std::string_view, const Item*> first;
  first.reserve(items.size());
  BoxesByName several;
  for (const Item& item : items) {
    if (item.kind != DatasetKind::tensor) continue;
    const auto [known, is_new] = first.emplace(item.name, &item);
    if (is_new) continue;
    std::vector<const Item*>& boxes = several[item.name];
    if (boxes.empty()) boxes.push_back(known->second);
    boxes.push_back(&item);
  }
  return several;
}

void check_same(const Item& a, const Item& b) {
  const auto differ = [&](std::string_view what, const auto& first, const auto& second) {
    refuse(a.name, fmt::format("the {} is {} for its box {} and {} for its box {}", what, first, to_string(a.box),
                               second, to_string(b.box)));
  };
  if (a.dtype != b.dtype) differ("dtype", to_string(a.dtype), to_string(b.dtype));
  if (a.global != b.global) differ("global shape", to_string(a.global), to_string(b.global));
}

void check_disjoint(const std::vector<const Item*>& items) {
  std::vector<Box> boxes;
  for (const Item* item : items)
    if (!empty(item->box)) boxes.push_back(item->box);
  const auto pair = find_overlap(boxes);
  if (!pair) return;
  const Box &a = boxes[pair->first], &b = boxes[pair->second];
  const std::string sentence = a == b ? fmt::format("the box {} was added twice", to_string(a))
                                      : fmt::format("an overlap: its boxes {} and {} both have {}", to_string(a),
                                                    to_string(b), to_string(*intersect(a, b)));
  refuse(items.front()->name, sentence + "; in a save, boxes of one rank share no element");
}

}  // namespace

void check_target(const std::string& name, const TensorView& view) {
  check_tensor(name, view);
  if (!view.writable) refuse(name, "the tensor was added with a pointer to const; it cannot be loaded into");
  if (overlaps_itself(view.shard))
    refuse(name, fmt::format("strides of ({}) put several elements of the extent {} into the same place; it cannot be "
                             "loaded into",
                             fmt::join(view.shard.stride, ", "), to_string(view.shard.extent)));
}

void check_boxes(const std::vector<Item>& items) {
  for (const auto& [name, boxes] : several_boxes(items)) {
    for (const Item* item : boxes) check_same(*boxes.front(), *item);
    check_disjoint(boxes);
  }
}

LocalPlan make_local_plan(const StateDict& state, PlannerAnswers* answers) {
  LocalPlan plan;
  update(plan, state, answers);
  return plan;
}

std::vector<Rename> renames_of(const LocalPlan& plan) {
  std::vector<Rename> all;
  for (const Item& item : plan.items) all.emplace_back(item.shown(), item.name);
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return all;
}

void update(LocalPlan& plan, const StateDict& state, PlannerAnswers* answers) try {
  if (state.problem()) throw Error(*state.problem());
  // The number of entries is compared too, for a state that was moved from.
  const bool same_tensors =
      plan.tensors_checksum == checksum_of_tensors(state, answers) && plan.state_tensors == state.tensors().size();
  if (!same_tensors) plan = plan_of_tensors(state, answers);
  ask_for_addresses(plan, state);
  if (!same_tensors || !has_values(plan, state, answers)) add_values(plan, state, answers);
  look_at_values(plan, state);
} catch (...) {
  plan = {};
  throw;
}

}  // namespace holdfast::plan
