// Which C++ types can be values: those that the format has, and no other, or half of a value would be saved without a
// word. The compiler is the test. It is built in several dialects, as GNU's count more types among the arithmetic ones
// than the standard.
#include <array>
#include <atomic>
#include <complex>
#include <holdfast/state_dict.hpp>

namespace holdfast {
namespace {

template <class T>
concept Value = std::constructible_from<ValueRef, T&>;
template <class T>
concept Refused = !Number<T> && !Value<T> && !Value<std::vector<T>>;

enum Plain { zero };
enum class Scoped : int { zero };

static_assert(Refused<long double>, "its size differs between machines");
static_assert(Refused<wchar_t>, "its size differs between machines");
static_assert(Refused<char8_t> && Refused<char16_t> && Refused<char32_t>,
              "the format has no characters but those of strings");
static_assert(Refused<int*> && Refused<std::nullptr_t> && Refused<std::complex<long double>>);
static_assert(!Value<const int> && !Value<const std::vector<int>> && !Value<const std::string>,
              "a load could not write it");
static_assert(!Value<volatile int> && !Value<std::atomic<int>>, "their bytes are not for memcpy");
static_assert(!Value<std::vector<bool>>, "its elements have no memory of their own");
static_assert(!Value<const int[3]> && !Value<long double[3]> && !Value<std::array<long double, 3>>);
static_assert(!Value<std::span<const int>> && !Value<std::vector<Scoped>>);
struct Struct {
  int number;
};
static_assert(!Value<Struct>, "its padding and its pointers are the program's to know: raw_bytes()");
#ifdef __SIZEOF_INT128__
__extension__ using Int128 = __int128;
__extension__ using UnsignedInt128 = unsigned __int128;
static_assert(Refused<Int128> && Refused<UnsignedInt128>);
#endif
#ifdef __SIZEOF_FLOAT128__
__extension__ using Float128 = __float128;
static_assert(Refused<Float128>);
#endif

template <class T, DType dtype>
concept Is = Value<T> && Value<std::vector<T>> && dtype_of<T>()
== dtype;

static_assert(Value<bool> && dtype_of<bool>() == DType::boolean);
static_assert(Is<signed char, DType::i8> && Is<short, DType::i16> && Is<int, DType::i32> && Is<long long, DType::i64>);
static_assert(Is<unsigned char, DType::u8> && Is<unsigned short, DType::u16> && Is<unsigned, DType::u32> &&
              Is<unsigned long long, DType::u64>);
static_assert(Is < long, sizeof(long) == 8 ? DType::i64 : DType::i32 > &&Is < std::size_t,
              sizeof(long) == 8 ? DType::u64 : DType::u32 >);
static_assert(Is < char, static_cast<char>(-1) < 0 ? DType::i8 : DType::u8 >);
static_assert(Is<float, DType::f32> && Is<double, DType::f64>);
static_assert(Is<std::complex<float>, DType::c64> && Is<std::complex<double>, DType::c128>);
static_assert(Value<int[3]> && Value<std::array<double, 2>> && Value<std::span<float>> && Value<std::span<std::byte>>);
static_assert(Value<Plain> && Value<Scoped> && Value<std::vector<std::string>>);

// C++23's own names, with compilers that have them (GCC 13).
#ifdef __STDCPP_FLOAT16_T__
static_assert(Is<std::float16_t, DType::f16>);
#endif
#ifdef __STDCPP_BFLOAT16_T__
static_assert(Is<std::bfloat16_t, DType::bf16>);
#endif
#ifdef __STDCPP_FLOAT32_T__
static_assert(Is<std::float32_t, DType::f32>);
#endif
#ifdef __STDCPP_FLOAT64_T__
static_assert(Is<std::float64_t, DType::f64>);
#endif
#ifdef __STDCPP_FLOAT128_T__
static_assert(Refused<std::float128_t>);
#endif

}  // namespace
}  // namespace holdfast
