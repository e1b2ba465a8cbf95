#include "tensor/state_dict.hpp"

#include <algorithm>
#include <string_view>

#include "base/checksum.hpp"
#include "base/codec.hpp"

namespace holdfast {
namespace {

constexpr std::size_t max_name_bytes = 1024;

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// Why `component` cannot be a component of a name; null if it can.
const char* fault_of_component(std::string_view component) {
  if (component.empty()) return "has an empty component: two slashes in a row, or one at the end";
  if (component == "." || component == "..") return "has the component '.' or '..'";
  if (std::ranges::any_of(component, is_control)) return "has a control character";
  return nullptr;
}

const char* fault_of(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > max_name_bytes) return "is longer than 1024 bytes";
  if (name.front() == '/') return "starts with '/'";
  while (true) {
    const std::size_t slash = name.find('/');
    if (const char* fault = fault_of_component(name.substr(0, slash))) return fault;
    if (slash == std::string_view::npos) return nullptr;
    name.remove_prefix(slash + 1);
  }
}

/// A name for error messages: control characters replaced, cut to the longest valid length.
std::string printable(const std::string& name) {
  std::string text = name.substr(0, max_name_bytes);
  std::ranges::replace_if(text, is_control, '?');
  return text;
}

std::span<std::byte> bytes_of_string(void* target) {
  return std::as_writable_bytes(std::span(*static_cast<std::string*>(target)));
}

}  // namespace

ValueRef::ValueRef(std::string& value)
    : kind_(Kind::string),
      dtype_(DType::u8),
      target_(&value),
      bytes_(bytes_of_string),
      resize_([](void* target, std::size_t count) { static_cast<std::string*>(target)->resize(count); }) {}

ValueRef::ValueRef(std::vector<std::byte>& value)
    : kind_(Kind::numbers),
      dtype_(DType::u8),
      target_(&value),
      bytes_([](void* target) { return std::span(*static_cast<std::vector<std::byte>*>(target)); }),
      resize_([](void* target, std::size_t count) { static_cast<std::vector<std::byte>*>(target)->resize(count); }) {}

std::uint64_t tensors_checksum(const StateDict& state) noexcept {
  return state.tensors_checksum_;
}

void StateDict::add(std::string name, TensorView tensor) {
  if (!accept(name, Use::tensor)) return;
  const Shard& shard = tensor.shard;
  Encoder encoder;
  encoder(tensors_checksum_, name, tensor.dtype, shard.global, shard.offset, shard.extent, shard.stride,
          tensor.writable, reinterpret_cast<std::uintptr_t>(tensor.data));
  tensors_checksum_ = checksum(encoder.take());
  tensors_.push_back({std::move(name), std::move(tensor)});
}

void StateDict::add_value(Value value) {
  if (accept(value.name, Use::value)) values_.push_back(std::move(value));
}

bool StateDict::accept(const std::string& name, Use use) {
  if (const char* fault = fault_of(name)) {
    report(std::string("the name ") + fault, name);
    return false;
  }
  const auto [known, is_new] = names_.emplace(name, use);
  if (is_new || (use == Use::tensor && known->second == use)) return true;
  report(known->second == use ? "two values have this name" : "a tensor and a value have this name", name);
  return false;
}

void StateDict::report(std::string sentence, const std::string& name) {
  if (!problem_)
    problem_.emplace(ErrorCode::invalid_argument, std::move(sentence), ErrorContext{.tensor = printable(name)});
}

}  // namespace holdfast
