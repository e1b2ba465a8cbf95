#include "inspect/numbers.hpp"

#include <cmath>
#include <concepts>
#include <limits>

#include "tensor/convert.hpp"
#include "tensor/stored_type.hpp"

namespace holdfast::inspect {
namespace {

double distance(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double difference = std::fabs(a - b);
  return std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
}

}  // namespace

double distance(DType dtype, const std::byte* a, const std::byte* b) {
  return visit(dtype, [&]<class T>(T) -> double {
    const T x = load_element<T>(a), y = load_element<T>(b);
    if constexpr (is_complex<T>)
      return std::hypot(distance(x.real(), y.real()), distance(x.imag(), y.imag()));
    else if constexpr (std::integral<T>)
      return static_cast<double>(x > y ? static_cast<std::uint64_t>(x) - static_cast<std::uint64_t>(y)
                                       : static_cast<std::uint64_t>(y) - static_cast<std::uint64_t>(x));
    else
      return distance(to_double(dtype, a), to_double(dtype, b));
  });
}

}  // namespace holdfast::inspect
