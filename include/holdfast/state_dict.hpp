#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <holdfast/error.hpp>
#include <holdfast/export.hpp>
#include <holdfast/tensor.hpp>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace holdfast {

/// Reference to a small value of the program. A save reads the value when it starts, a load writes it.
class HOLDFAST_API ValueRef {
 public:
  /// Kind of the value.
  enum class Kind : std::uint8_t {
    number,   ///< one number
    numbers,  ///< a vector of numbers or bytes
    string,   ///< a std::string
  };

  /// Refers to a number.
  template <Number T>
  explicit ValueRef(T& value)
      : kind_(Kind::number),
        dtype_(dtype_of<T>()),
        target_(&value),
        bytes_([](void* p) { return std::as_writable_bytes(std::span(static_cast<T*>(p), 1)); }) {}
  /// Refers to a vector of numbers.
  template <Number T>
  requires(!std::same_as<T, bool>) explicit ValueRef(std::vector<T>& value)
      : kind_(Kind::numbers),
        dtype_(dtype_of<T>()),
        target_(&value),
        bytes_([](void* p) { return std::as_writable_bytes(std::span(*static_cast<std::vector<T>*>(p))); }),
        resize_([](void* p, std::size_t count) { static_cast<std::vector<T>*>(p)->resize(count); }) {}
  /// Refers to a vector of bytes.
  explicit ValueRef(std::vector<std::byte>& value);
  /// Refers to a string.
  explicit ValueRef(std::string& value);

  /// Kind of the value.
  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  /// Type of the elements; u8 for strings and bytes.
  [[nodiscard]] DType dtype() const noexcept { return dtype_; }
  /// Memory of the value, valid until its size changes.
  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_(target_); }
  /// Resizes the value to `count` elements. Not for Kind::number.
  void resize(std::size_t count) const { resize_(target_, count); }

 private:
  Kind kind_;
  DType dtype_;
  void* target_;
  std::span<std::byte> (*bytes_)(void*);
  void (*resize_)(void*, std::size_t) = nullptr;
};

/// Content of a checkpoint: named tensors and small values. A StateDict has pointers and references, never the data.
/// Build it once and use it for every save and load; the tensors and values must outlive these calls.
///
/// Names are paths: "model/net1/weight" is the dataset `weight` in the group `model/net1`. Components are not empty,
/// "." or "..", and have no control characters. A name has at most 1,024 bytes and does not start with '/'.
///
/// Adding is local, and does not throw for a bad entry. The StateDict keeps the first problem, and the next collective
/// call with this StateDict throws it on all ranks, whichever rank has it. So no rank waits for one that threw alone.
/// Not thread-safe.
class HOLDFAST_API StateDict {
 public:
  /// An added box of a tensor.
  struct Tensor {
    std::string name;  ///< name in the checkpoint
    TensorView view;   ///< memory and box
  };
  /// An added value.
  struct Value {
    std::string name;  ///< name in the checkpoint
    ValueRef ref;      ///< reference to the program's value
    bool per_rank;     ///< each rank has a value of its own
  };

  /// Adds a box of a tensor, made by shard() or replicated(). A rank may add any number of boxes of a tensor, under the
  /// same name, each in memory of its own. In a save no two of them share an element; in a load they may.
  void add(std::string name, TensorView tensor);

  /// Adds a number, string, byte vector or vector of numbers that is the same on all ranks. Bound by reference.
  template <class T>
  requires std::constructible_from<ValueRef, T&>
  void add(std::string name, T& value) { add_value({std::move(name), ValueRef(value), false}); }

  /// Adds a value that each rank has of its own (random-number state, counters). The type is the same on all ranks; the
  /// length of vectors and strings may differ. Checkpointer::load says what happens when the number of ranks has
  /// changed.
  template <class T>
  requires std::constructible_from<ValueRef, T&>
  void add_per_rank(std::string name, T& value) { add_value({std::move(name), ValueRef(value), true}); }

  /// All boxes of tensors, in the order in which they were added.
  [[nodiscard]] const std::vector<Tensor>& tensors() const noexcept { return tensors_; }
  /// All values, in the order in which they were added.
  [[nodiscard]] const std::vector<Value>& values() const noexcept { return values_; }
  /// Error of the first bad entry, if there is one.
  [[nodiscard]] const std::optional<Error>& problem() const noexcept { return problem_; }

 private:
  friend std::uint64_t tensors_checksum(const StateDict& state) noexcept;

  enum class Use : std::uint8_t { tensor, value };

  void add_value(Value value);
  bool accept(const std::string& name, Use use);
  void report(std::string sentence, const std::string& name);

  std::vector<Tensor> tensors_;
  std::uint64_t tensors_checksum_ = 0;  // changes with each tensor that is added
  std::vector<Value> values_;
  std::unordered_map<std::string, Use> names_;
  std::optional<Error> problem_;
};

}  // namespace holdfast
