#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include <holdfast/error.hpp>
#include <holdfast/export.hpp>
#include <holdfast/tensor.hpp>

namespace holdfast {

/// A small value of the program, bound by reference: read when a save starts, written by a load.
class HOLDFAST_API ValueRef {
 public:
  enum class Kind : std::uint8_t { number, numbers, string };

  template <Number T>
  explicit ValueRef(T& value)
      : kind_(Kind::number), dtype_(dtype_of<T>()), target_(&value), bytes_([](void* p) { return std::as_writable_bytes(std::span(static_cast<T*>(p), 1)); }) {}
  template <Number T>
    requires(!std::same_as<T, bool>)
  explicit ValueRef(std::vector<T>& value)
      : kind_(Kind::numbers),
        dtype_(dtype_of<T>()),
        target_(&value),
        bytes_([](void* p) { return std::as_writable_bytes(std::span(*static_cast<std::vector<T>*>(p))); }),
        resize_([](void* p, std::size_t count) { static_cast<std::vector<T>*>(p)->resize(count); }) {}
  explicit ValueRef(std::vector<std::byte>& value);
  explicit ValueRef(std::string& value);

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  /// Element type; u8 for strings and bytes.
  [[nodiscard]] DType dtype() const noexcept { return dtype_; }
  /// The value's memory as it is now.
  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_(target_); }
  /// Makes room for `count` elements; only for Kind::numbers and Kind::string.
  void resize(std::size_t count) const { resize_(target_, count); }

 private:
  Kind kind_;
  DType dtype_;
  void* target_;
  std::span<std::byte> (*bytes_)(void*);
  void (*resize_)(void*, std::size_t) = nullptr;
};

/// What a checkpoint is made of: named tensors and small values. It holds pointers and references, never the data, so
/// build it once and use it for every save and load; what it refers to must outlive those calls.
///
/// Names are paths: "model/net1/weight" is the dataset `weight` in the group `model/net1`. Components are non-empty,
/// not "." or "..", without control characters; a name is at most 1,024 bytes and does not start with '/'.
///
/// Adding is local and never throws for a bad entry: the problem is kept, and the next collective call that is given
/// this StateDict (on whichever rank it arose) throws it on all ranks. So no rank waits for one that threw alone.
/// Not thread-safe.
class HOLDFAST_API StateDict {
 public:
  struct Tensor {
    std::string name;
    TensorView view;
  };
  struct Value {
    std::string name;
    ValueRef ref;
    bool per_rank;
  };

  /// A tensor (see shard() and replicated()).
  void add(std::string name, TensorView tensor);

  /// A number, string, byte vector or vector of numbers that is the same on all ranks. Bound by reference.
  template <class T>
    requires std::constructible_from<ValueRef, T&>
  void add(std::string name, T& value) {
    add_value({std::move(name), ValueRef(value), false});
  }

  /// One value per rank (random-number state, a rank's own counters); the type is the same on all ranks, the length of
  /// vectors and strings need not be. See LoadOptions for what happens when the number of ranks changed.
  template <class T>
    requires std::constructible_from<ValueRef, T&>
  void add_per_rank(std::string name, T& value) {
    add_value({std::move(name), ValueRef(value), true});
  }

  [[nodiscard]] const std::vector<Tensor>& tensors() const noexcept { return tensors_; }
  [[nodiscard]] const std::vector<Value>& values() const noexcept { return values_; }
  /// A checksum over the tensors in their order: names, types, boxes, strides and addresses, but nothing that lies at them. Kept
  /// up to date as tensors are added, so that a save sees at once that they are those of the last one, however many there are.
  [[nodiscard]] std::uint64_t tensors_checksum() const noexcept { return tensors_checksum_; }
  /// The first bad entry, if any.
  [[nodiscard]] const std::optional<Error>& problem() const noexcept { return problem_; }

 private:
  void add_value(Value value);
  bool accept(const std::string& name);
  void report(std::string sentence, const std::string& name);

  std::vector<Tensor> tensors_;
  std::uint64_t tensors_checksum_ = 0;
  std::vector<Value> values_;
  std::unordered_set<std::string> names_;
  std::optional<Error> problem_;
};

}  // namespace holdfast
