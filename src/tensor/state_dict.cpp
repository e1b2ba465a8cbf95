#include "tensor/state_dict.hpp"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

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

/// A name for error messages: control characters replaced, cut to the longest valid length.
std::string printable(const std::string& name) {
  std::string text = name.substr(0, max_name_bytes);
  std::ranges::replace_if(text, is_control, '?');
  return text;
}

/// Strings on their way to or from a checkpoint, one after the other, each with a NUL behind it.
class JoinedStrings {
 public:
  explicit JoinedStrings(std::vector<std::string>& strings) : strings_(strings) {}

  std::span<std::byte> join() {
    joined_.clear();
    for (const std::string& text : strings_) {
      if (text.find('\0') != text.npos)
        throw Error(ErrorCode::invalid_argument, "a string of a vector has a NUL inside, which ends it in the file");
      joined_.append(text).push_back('\0');
    }
    return std::as_writable_bytes(std::span(joined_));
  }
  std::span<std::byte> room(std::size_t bytes) {
    joined_.resize(bytes);
    return std::as_writable_bytes(std::span(joined_));
  }
  void split() {
    strings_.clear();
    for (std::size_t begin = 0; begin < joined_.size();) {
      const std::size_t end = std::min(joined_.find('\0', begin), joined_.size());
      strings_.push_back(joined_.substr(begin, end - begin));
      begin = end + 1;
    }
  }

 private:
  std::vector<std::string>& strings_;
  std::string joined_;
};

ValueRef::Access access_of(std::vector<std::string>& strings) {
  const auto joined = std::make_shared<JoinedStrings>(strings);
  return {.bytes = [joined] { return joined->join(); },
          .room = [joined](std::size_t bytes) { return joined->room(bytes); },
          .loaded = [joined] { joined->split(); }};
}

}  // namespace

ValueRef::ValueRef(Kind kind, DType dtype, Access access) : kind_(kind), dtype_(dtype), access_(std::move(access)) {}
ValueRef::ValueRef(std::vector<std::byte>& value) : ValueRef(Kind::numbers, DType::u8, resizable(value)) {}
ValueRef::ValueRef(std::string& value) : ValueRef(Kind::string, DType::u8, resizable(value)) {}
ValueRef::ValueRef(std::vector<std::string>& values) : ValueRef(Kind::string, DType::u8, access_of(values)) {}

const char* fault_of_name(std::string_view name) noexcept {
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

std::uint64_t tensors_checksum(const StateDict& state) noexcept {
  return state.tensors_checksum_;
}

void StateDict::add(std::string name, TensorView tensor) {
  if (!accept(name, Use::tensor)) return;
  const Shard& shard = tensor.shard;
  Encoder encoder;
  encoder(tensors_checksum_, name, tensor.dtype, shard.global, shard.offset, shard.extent, shard.stride,
          tensor.writable, reinterpret_cast<std::uintptr_t>(tensor.data), tensor.stored.value_or(tensor.dtype));
  tensors_checksum_ = checksum(encoder.take());
  tensors_.push_back({std::move(name), std::move(tensor)});
}

void StateDict::add_value(Value value) {
  if (accept(value.name, Use::value)) values_.push_back(std::move(value));
}

bool StateDict::accept(const std::string& name, Use use) {
  if (const char* fault = fault_of_name(name)) {
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
