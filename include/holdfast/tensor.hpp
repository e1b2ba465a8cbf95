#pragma once

#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>
#if defined(__STDCPP_FLOAT16_T__) || defined(__STDCPP_FLOAT32_T__) || defined(__STDCPP_FLOAT64_T__) || \
    defined(__STDCPP_BFLOAT16_T__)
#include <stdfloat>
#endif

#include <holdfast/export.hpp>

namespace holdfast {

/// Element types. Numbers have the machine's byte order (little-endian). A complex number is its real, then imaginary
/// part.
enum class DType : std::uint8_t {
  f64,
  f32,
  f16,
  bf16,
  f8e4m3,
  f8e5m2,
  i8,
  i16,
  i32,
  i64,
  u8,
  u16,
  u32,
  u64,
  boolean,
  c64,
  c128
};

/// Number of element types.
inline constexpr int dtype_count = 17;

/// True for the enumerators, false for any other number.
[[nodiscard]] HOLDFAST_API bool is_known(DType dtype) noexcept;
/// Bytes of one element: 16 for c128, 8 for c64, 1 for boolean; 0 for a number that is no enumerator.
[[nodiscard]] HOLDFAST_API std::size_t size_of(DType dtype) noexcept;
/// Name of the type: "f32", "bf16", "bool", "c64", …
[[nodiscard]] HOLDFAST_API std::string_view to_string(DType dtype) noexcept;
/// The type of a name that to_string() returns; nothing for any other text.
[[nodiscard]] HOLDFAST_API std::optional<DType> parse_dtype(std::string_view name) noexcept;

/// T is one of the Types.
template <class T, class... Types>
concept OneOf = (std::same_as<T, Types> || ...);

/// The C++ types that have a DType, because the format stores their values bit by bit. Other types do not compile, such
/// as `long double`, `__int128`, character types such as `char8_t`, and const, volatile or atomic types.
template <class T>
concept Number =
    OneOf<T, bool, char, signed char, unsigned char, short, unsigned short, int, unsigned, long, unsigned long,
          long long, unsigned long long, float, double, std::complex<float>, std::complex<double>
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

/// Extents per dimension, slowest-varying first (row-major). {} is a scalar, which has one element.
using Shape = std::vector<std::uint64_t>;

/// Largest number of dimensions of a tensor.
inline constexpr std::size_t max_dimensions = 32;

/// A box of a tensor that this rank holds, in elements of the tensor's global shape. A rank may hold several.
/// An extent of 0 in any dimension makes the box empty: the rank takes part in the call, but holds nothing.
struct Shard {
  Shape global = {};  ///< shape of the whole tensor, the same on every rank that names it
  Shape offset = {};  ///< first element of the box, per dimension
  Shape extent = {};  ///< elements of the box, per dimension
  /// Distance in memory between neighbours, per dimension, in elements; {} means densely packed, row-major. A part of
  /// 64x32 elements inside rows of 34 elements (one ghost cell on each side) has {34, 1}; the data pointer is the
  /// address of the box's first element. A box whose elements share memory, as with strides of 0, can be saved, but not
  /// loaded into.
  std::vector<std::int64_t> stride = {};
};

/// The part of a box that this rank saves where neighbours have elements in common, as node-centred grids do: cuts off
/// the last `shared[d]` elements of dimension d, which the upper neighbour has as its first ones, unless the box ends
/// with the global shape. The address stays that of the box's first element; the strides are those of the whole box, so
/// that its memory is not copied. Pure. A load takes the whole box.
[[nodiscard]] HOLDFAST_API Shard owned(Shard box, const Shape& shared);

/// Memory of a tensor on this rank, and its place in the global shape. Does not own the memory, which is the process's
/// or a CUDA device's (recognised by the pointer, see docs/gpu.md).
struct TensorView {
  void* data = nullptr;      ///< address of the box's first element; not used where there is `address`
  DType dtype = DType::f32;  ///< type of the elements
  Shard shard;               ///< box in the global shape, and strides in memory
  bool writable = true;      ///< false for const memory, which can be saved but not loaded into
  /// Returns the address where the box lies now. Empty where it always lies at `data`. Asked once at the start of each
  /// save and load, before anything is compared; what it throws is thrown on all ranks.
  std::function<void*()> address = {};
  std::optional<DType> stored = {};  ///< type of the elements in the file, if it is another one (stored_as())
};

namespace detail {
/// A view of `box`, densely packed, in the memory that `elements` returns, with the number of elements there.
[[nodiscard]] HOLDFAST_API TensorView of_vector(Shard box, DType dtype,
                                                std::function<void*(std::size_t& count)> elements);
}  // namespace detail

/// A box of a tensor that is split over ranks. Boxes may be uneven or empty; in a save, all boxes of all ranks together
/// cover the global shape exactly. Equal boxes on several ranks are replicas, and are saved once. In a load boxes may
/// overlap, leave gaps, and ask for a part of what was saved.
[[nodiscard]] HOLDFAST_API TensorView shard(void* data, DType dtype, Shard box);
/// As above, for memory that can only be saved.
[[nodiscard]] HOLDFAST_API TensorView shard(const void* data, DType dtype, Shard box);

/// A box whose memory moves, such as that of two buffers in turn: `address` is asked where it lies now
/// (TensorView::address).
[[nodiscard]] HOLDFAST_API TensorView shard(std::function<void*()> address, DType dtype, Shard box);
/// A box that fills a vector, wherever the vector keeps its elements now. Its size is that of the box at each save and
/// load; a vector of another size is an error. Refers to the vector.
template <Number T>
requires(!std::same_as<T, bool>) [[nodiscard]] TensorView shard(std::vector<T>& elements, Shard box) {
  return detail::of_vector(std::move(box), dtype_of<T>(), [&elements](std::size_t& count) -> void* {
    count = elements.size();
    return elements.data();
  });
}

/// The same tensor, stored in the file as another dtype, such as f32 as bf16: a save converts while it stages, by the
/// rules of LoadOptions::convert; a load of what was saved so converts back without being asked. For host memory only:
/// a save of GPU memory throws invalid_argument. Throws nothing itself; a pair that cannot be converted both ways is
/// told by the save or load.
[[nodiscard]] HOLDFAST_API TensorView stored_as(TensorView view, DType dtype);

/// A tensor that is held in full by every rank that names it. It is saved once; the ranks share the copying.
[[nodiscard]] HOLDFAST_API TensorView replicated(void* data, DType dtype, Shape global,
                                                 std::vector<std::int64_t> stride = {});
/// As above, for memory that can only be saved.
[[nodiscard]] HOLDFAST_API TensorView replicated(const void* data, DType dtype, Shape global,
                                                 std::vector<std::int64_t> stride = {});

/// A tensor in full that fills a vector, as shard() of a vector does.
template <Number T>
requires(!std::same_as<T, bool>) [[nodiscard]] TensorView replicated(std::vector<T>& elements, Shape global) {
  Shape offset(global.size(), 0), extent = global;
  return shard(elements, {.global = std::move(global), .offset = std::move(offset), .extent = std::move(extent)});
}

template <Number T>
consteval DType dtype_of() noexcept {
#ifdef __STDCPP_BFLOAT16_T__
  if (std::same_as<T, std::bfloat16_t>) return DType::bf16;
#endif
  if (std::same_as<T, bool>) return DType::boolean;
  if (std::same_as<T, std::complex<float>>) return DType::c64;
  if (std::same_as<T, std::complex<double>>) return DType::c128;
  if (std::is_floating_point_v<T>) return sizeof(T) == 2 ? DType::f16 : sizeof(T) == 4 ? DType::f32 : DType::f64;
  if (std::is_signed_v<T>)
    return sizeof(T) == 1 ? DType::i8 : sizeof(T) == 2 ? DType::i16 : sizeof(T) == 4 ? DType::i32 : DType::i64;
  return sizeof(T) == 1 ? DType::u8 : sizeof(T) == 2 ? DType::u16 : sizeof(T) == 4 ? DType::u32 : DType::u64;
}

}  // namespace holdfast
