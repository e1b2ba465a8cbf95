#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include <holdfast/export.hpp>

namespace holdfast {

/// Element types. Numbers are in the machine's byte order (little-endian); complex is real, imaginary.
enum class DType : std::uint8_t { f64, f32, f16, bf16, f8e4m3, f8e5m2, i8, i16, i32, i64, u8, u16, u32, u64, boolean, c64, c128 };

inline constexpr int dtype_count = 17;

/// Bytes of one element: 16 for c128, 8 for c64, 1 for boolean.
[[nodiscard]] HOLDFAST_API std::size_t size_of(DType dtype) noexcept;
/// "f32", "bf16", "bool", "c64", …
[[nodiscard]] HOLDFAST_API std::string_view to_string(DType dtype) noexcept;
[[nodiscard]] HOLDFAST_API std::optional<DType> parse_dtype(std::string_view name) noexcept;

/// The DType of a C++ arithmetic type.
template <class T>
[[nodiscard]] constexpr DType dtype_of() noexcept;

/// Extents per dimension, slowest first (row-major). {} is a scalar: one element.
using Shape = std::vector<std::uint64_t>;

/// More dimensions than this are refused.
inline constexpr std::size_t max_dimensions = 32;

/// This rank's part of a tensor, as a box in the tensor's global shape, in elements.
/// An extent of 0 in any dimension is an empty part: the rank takes part in the call and holds nothing.
struct Shard {
  Shape global = {};  ///< the whole tensor, the same on every rank that names it
  Shape offset = {};  ///< first element of the box per dimension
  Shape extent = {};  ///< elements of the box per dimension
  /// Distance in memory between neighbours per dimension, in elements; {} means densely packed, row-major.
  /// A 2-d part of 64x32 that lies inside rows of 34 elements (one ghost cell on each side) has {34, 1};
  /// the pointer is that of the box's first element.
  std::vector<std::int64_t> stride = {};
};

/// A tensor's memory on this rank and its place in the global shape. It does not own the memory, which may be the process's, or a
/// CUDA device's (recognised by the pointer, see docs/gpu.md).
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::f32;
  Shard shard;
  bool writable = true;  ///< false for memory given as const: it can be saved but not loaded into
};

/// One rank's part of a tensor that is split over ranks. Boxes may be uneven or empty; together they must cover the
/// global shape exactly. Parts that several ranks hold alike (the very same box) are replicas and are saved once.
[[nodiscard]] HOLDFAST_API TensorView shard(void* data, DType dtype, Shard box);
[[nodiscard]] HOLDFAST_API TensorView shard(const void* data, DType dtype, Shard box);

/// A tensor that every rank which names it holds in full. It is saved once; the ranks share the copying.
[[nodiscard]] HOLDFAST_API TensorView replicated(void* data, DType dtype, Shape global, std::vector<std::int64_t> stride = {});
[[nodiscard]] HOLDFAST_API TensorView replicated(const void* data, DType dtype, Shape global, std::vector<std::int64_t> stride = {});

template <class T>
constexpr DType dtype_of() noexcept {
  static_assert(std::is_arithmetic_v<T>, "only arithmetic types have a DType");
  if constexpr (std::is_same_v<T, bool>) return DType::boolean;
  else if constexpr (std::is_floating_point_v<T>) return sizeof(T) == 8 ? DType::f64 : DType::f32;
  else if constexpr (std::is_signed_v<T>) return sizeof(T) == 1 ? DType::i8 : sizeof(T) == 2 ? DType::i16 : sizeof(T) == 4 ? DType::i32 : DType::i64;
  else return sizeof(T) == 1 ? DType::u8 : sizeof(T) == 2 ? DType::u16 : sizeof(T) == 4 ? DType::u32 : DType::u64;
}

}  // namespace holdfast
