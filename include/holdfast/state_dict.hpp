#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <holdfast/error.hpp>
#include <holdfast/export.hpp>
#include <holdfast/tensor.hpp>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

namespace holdfast {

/// Reference to a small value of the program. A save reads the value when it starts, a load writes it.
class HOLDFAST_API ValueRef {
 public:
  /// Kind of the value.
  enum class Kind : std::uint8_t {
    number,   ///< one number
    numbers,  ///< several numbers, or bytes
    string,   ///< a text
  };
  /// How a value is read and written. The functions are called in the thread that saves or loads.
  struct Access {
    /// The memory of the value as it is now; valid until the next call.
    std::function<std::span<std::byte>()> bytes;
    /// Memory for `count` elements, which a load writes. Called once a load.
    std::function<std::span<std::byte>(std::size_t count)> room;
    /// Called when that memory has been written; may be empty.
    std::function<void()> loaded = {};
    /// The number of elements, if it cannot change: a load of another number throws `mismatch`.
    std::optional<std::size_t> fixed_count = {};
  };

  /// Refers to a value of any type: the form on which the other constructors, and bindings of other languages, stand.
  ValueRef(Kind kind, DType dtype, Access access);
  /// Refers to a number.
  template <Number T>
  explicit ValueRef(T& value) : ValueRef(Kind::number, dtype_of<T>(), fixed(std::span(&value, 1))) {}
  /// Refers to an enumerator, stored as the number that it is.
  template <class T>
  requires(std::is_enum_v<T>&& Number<std::underlying_type_t<T>>) explicit ValueRef(T& value)
      : ValueRef(Kind::number, dtype_of<std::underlying_type_t<T>>(), fixed(std::span(&value, 1))) {}
  /// Refers to a vector of numbers, which a load resizes.
  template <Number T>
  requires(!std::same_as<T, bool>) explicit ValueRef(std::vector<T>& values)
      : ValueRef(Kind::numbers, dtype_of<T>(), resizable(values)) {}
  /// Refers to a fixed number of numbers.
  template <Number T>
  explicit ValueRef(std::span<T> values) : ValueRef(Kind::numbers, dtype_of<T>(), fixed(values)) {}
  /// Refers to a fixed number of bytes.
  explicit ValueRef(std::span<std::byte> bytes) : ValueRef(Kind::numbers, DType::u8, fixed(bytes)) {}
  /// Refers to an array.
  template <Number T, std::size_t N>
  explicit ValueRef(std::array<T, N>& values) : ValueRef(std::span<T>(values)) {}
  /// Refers to an array.
  template <Number T, std::size_t N>
  explicit ValueRef(T (&values)[N]) : ValueRef(std::span<T>(values)) {}
  /// Refers to a vector of bytes, which a load resizes.
  explicit ValueRef(std::vector<std::byte>& value);
  /// Refers to a string.
  explicit ValueRef(std::string& value);
  /// Refers to a vector of strings, none with a NUL inside. Stored as one string, in which a NUL ends each.
  explicit ValueRef(std::vector<std::string>& values);

  /// Kind of the value.
  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  /// Type of the elements; u8 for strings and bytes.
  [[nodiscard]] DType dtype() const noexcept { return dtype_; }
  /// Memory of the value, valid until it is asked for again or the value's size changes.
  [[nodiscard]] std::span<std::byte> bytes() const { return access_.bytes(); }
  /// Number of elements, if it cannot change.
  [[nodiscard]] std::optional<std::size_t> fixed_count() const noexcept { return access_.fixed_count; }
  /// Memory of `count` elements to write into, before loaded() is called.
  [[nodiscard]] std::span<std::byte> room(std::size_t count) const { return access_.room(count); }
  /// To be called when the memory of room() has been written.
  void loaded() const {
    if (access_.loaded) access_.loaded();
  }

 private:
  template <class T>
  static Access fixed(std::span<T> values) {
    const std::span<std::byte> bytes = std::as_writable_bytes(values);
    return {.bytes = [bytes] { return bytes; },
            .room = [bytes](std::size_t) { return bytes; },
            .loaded = {},
            .fixed_count = values.size()};
  }
  template <class Container>
  static Access resizable(Container& values) {
    return {.bytes = [&values] { return std::as_writable_bytes(std::span(values)); },
            .room =
                [&values](std::size_t count) {
                  values.resize(count);
                  return std::as_writable_bytes(std::span(values));
                }};
  }

  Kind kind_;
  DType dtype_;
  Access access_;
};

/// A value of a trivially copyable type as its bytes, padding included: for structs that only this program reads, on
/// machines of one kind. Bytes of padding differ from rank to rank, unless the program sets them: StateDict::
/// add_per_rank takes values that may. A pointer in it means nothing after a restart.
template <class T>
requires(std::is_trivially_copyable_v<T> && !std::is_const_v<T>) [[nodiscard]] ValueRef raw_bytes(T& value) {
  return ValueRef(std::as_writable_bytes(std::span(&value, 1)));
}

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

  /// Adds a value that is the same on all ranks: a number, complex number, enumerator, string, or a vector, array or
  /// span of numbers, bytes or strings. Bound by reference.
  template <class T>
  requires std::constructible_from<ValueRef, T&>
  void add(std::string name, T& value) { add_value({std::move(name), ValueRef(value), false}); }

  /// Adds a value that has been bound already, such as raw_bytes().
  void add(std::string name, ValueRef value) { add_value({std::move(name), std::move(value), false}); }
  /// The same for a value that each rank has of its own.
  void add_per_rank(std::string name, ValueRef value) { add_value({std::move(name), std::move(value), true}); }

  /// Adds a value that each rank has of its own (random-number state, counters). The type is the same on all ranks; the
  /// length of vectors and strings may differ. Checkpointer::load says what happens when the number of ranks has
  /// changed.
  template <class T>
  requires std::constructible_from<ValueRef, T&>
  void add_per_rank(std::string name, T& value) { add_value({std::move(name), ValueRef(value), true}); }

  /// Adds no entry, but a fault that the program found in one, such as an array that a binding cannot take: the next
  /// collective call throws it on all ranks, as it does with the StateDict's own problem. The first one counts.
  void fail(Error error) {
    if (!problem_) problem_ = std::move(error);
  }

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
