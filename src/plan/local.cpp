#include "plan/local.hpp"

#include <fmt/format.h>

#include "base/checksum.hpp"
#include "base/codec.hpp"

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

void check_tensor(const std::string& name, const TensorView& view) {
  const Shard& shard = view.shard;
  check_dimensions(name, shard);
  if (!checked_volume(shard.global, size_of(view.dtype)))
    refuse(name, fmt::format("the global shape {} of {} has more bytes than can be counted", to_string(shard.global),
                             to_string(view.dtype)));
  const Box box{shard.offset, shard.extent};
  if (!inside(box, shard.global))
    refuse(name, fmt::format("offset {} and extent {} do not lie inside the global shape {}", to_string(shard.offset),
                             to_string(shard.extent), to_string(shard.global)));
  if (view.data == nullptr && !empty(box))
    refuse(name, fmt::format("a null pointer for {} bytes", volume(shard.extent) * size_of(view.dtype)));
}

Item tensor_item(const StateDict::Tensor& tensor) {
  const auto& [name, view] = tensor;
  check_tensor(name, view);
  return {name, Kind::tensor, view.dtype, view.shard.global, {view.shard.offset, view.shard.extent}};
}

Shape value_shape(const ValueRef& ref) {
  return ref.kind() == ValueRef::Kind::number ? Shape{} : Shape{ref.bytes().size() / size_of(ref.dtype())};
}

Kind value_kind(const StateDict::Value& value) {
  const bool string = value.ref.kind() == ValueRef::Kind::string;
  if (value.per_rank) return string ? Kind::per_rank_string : Kind::per_rank;
  return string ? Kind::string : Kind::value;
}

Item value_item(const StateDict::Value& value) {
  const Shape shape = value_shape(value.ref);
  return {value.name, value_kind(value), value.ref.dtype(), value.per_rank ? Shape{} : shape, whole(shape)};
}

/// Fills in the contents of the values that must be alike, and returns the checksum over them all.
std::uint64_t add_contents(const StateDict& state, std::span<Item> items) {
  Checksum all;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const StateDict::Value& value = state.values()[i];
    if (value.per_rank) continue;
    items[i].content = checksum(value.ref.bytes());
    all.update(std::as_bytes(std::span(&items[i].content, 1)));
  }
  return all.value();
}

LocalPlan plan_of_tensors(const StateDict& state) {
  LocalPlan plan;
  const std::size_t count = state.tensors().size() + state.values().size();
  plan.items.reserve(count);
  plan.memory.reserve(count);
  for (const StateDict::Tensor& tensor : state.tensors()) {
    plan.items.push_back(tensor_item(tensor));
    plan.memory.push_back(tensor.view);
  }
  plan.tensors = plan.items.size();
  plan.tensors_checksum = state.tensors_checksum();
  if (plan.tensors > 0) plan.tensors_fingerprint = checksum(encode(plan.items));
  return plan;
}

/// In place of the values that are there, if any.
void add_values(LocalPlan& plan, const StateDict& state) {
  plan.items.resize(plan.tensors);
  plan.memory.resize(plan.tensors);
  for (const StateDict::Value& value : state.values()) {
    plan.items.push_back(value_item(value));
    plan.memory.push_back(replicated(value.ref.bytes().data(), value.ref.dtype(), value_shape(value.ref)));
  }
  const std::span<Item> values = std::span(plan.items).subspan(plan.tensors);
  Encoder encoder;
  encoder(plan.tensors_fingerprint);
  for (const Item& item : values) encoder(item);  // before the contents are there: a plan does not depend on them
  plan.fingerprint = checksum(encoder.take());
  plan.values = add_contents(state, values);
}

}  // namespace

LocalPlan make_local_plan(const StateDict& state) {
  LocalPlan plan;
  update(plan, state);
  return plan;
}

void update(LocalPlan& plan, const StateDict& state) try {
  if (state.problem()) throw Error(*state.problem());
  // The number is compared too, for a state that was moved from.
  if (plan.tensors_checksum != state.tensors_checksum() || plan.tensors != state.tensors().size()) plan = plan_of_tensors(state);
  add_values(plan, state);
} catch (...) {
  plan = {};
  throw;
}

}  // namespace holdfast::plan
