#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>
#if defined(__STDCPP_FLOAT16_T__) || defined(__STDCPP_FLOAT32_T__) || defined(__STDCPP_FLOAT64_T__) || defined(__STDCPP_BFLOAT16_T__)
#include <stdfloat>
#endif

#include <holdfast/export.hpp>

namespace holdfast {

/// Element types. Numbers are in the machine's byte order (little-endian); complex is real, imaginary.
enum class DType : std::uint8_t { f64, f32, f16, bf16, f8e4m3, f8e5m2, i8, i16, i32, i64, u8, u16, u32, u64, boolean, c64, c128 };

inline constexpr int dtype_count = 17;

/// Is it one of the enumerators?
[[nodiscard]] HOLDFAST_API bool is_known(DType dtype) noexcept;
/// Bytes of one element: 16 for c128, 8 for c64, 1 for boolean; 0 for what is no enumerator.
[[nodiscard]] HOLDFAST_API std::size_t size_of(DType dtype) noexcept;
/// "f32", "bf16", "bool", "c64", …
[[nodiscard]] HOLDFAST_API std::string_view to_string(DType dtype) noexcept;
[[nodiscard]] HOLDFAST_API std::optional<DType> parse_dtype(std::string_view name) noexcept;

template <class T, class... Types>
concept OneOf = (std::same_as<T, Types> || ...);

/// The C++ types that have a DType: those whose values the format holds bit by bit. No others compile, such as `long double`,
/// `__int128`, character types that are not `char`, and what is const, volatile or atomic.
template <class T>
concept Number = OneOf<T, bool, char, signed char, unsigned char, short, unsigned short, int, unsigned, long, unsigned long, long long,
                       unsigned long long, float, double
#ifdef __STDCPP_FLOAT16_T__
                       ,
                       std::float16_t
#endif
#ifdef __STDCPP_BFLOAT16_T__
                       ,
                       std::bfloat16_t
#endif
#ifdef __STDCPP_FLOAT32_T__
                       ,
                       std::float32_t
#endif
#ifdef __STDCPP_FLOAT64_T__
                       ,
                       std::float64_t
#endif
                       >;

/// The DType of a C++ type.
template <Number T>
[[nodiscard]] consteval DType dtype_of() noexcept;

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
  /// the pointer is that of the box's first element. A box whose elements share places, as with strides of 0, can be saved, but not
  /// loaded into.
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

template <Number T>
consteval DType dtype_of() noexcept {
#ifdef __STDCPP_BFLOAT16_T__
  if (std::same_as<T, std::bfloat16_t>) return DType::bf16;
#endif
  if (std::same_as<T, bool>) return DType::boolean;
  if (std::is_floating_point_v<T>) return sizeof(T) == 2 ? DType::f16 : sizeof(T) == 4 ? DType::f32 : DType::f64;
  if (std::is_signed_v<T>) return sizeof(T) == 1 ? DType::i8 : sizeof(T) == 2 ? DType::i16 : sizeof(T) == 4 ? DType::i32 : DType::i64;
  return sizeof(T) == 1 ? DType::u8 : sizeof(T) == 2 ? DType::u16 : sizeof(T) == 4 ? DType::u32 : DType::u64;
}

}  // namespace holdfast
