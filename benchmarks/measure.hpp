#pragma once

#include <span>

namespace holdfast::benchmarks {

/// Seconds since some time in the past.
[[nodiscard]] double now_s();

/// Collective: the largest of all ranks' numbers.
[[nodiscard]] double slowest(double seconds);

/// The value in the middle.
[[nodiscard]] double median(std::span<const double> values);
/// The value that this part of them does not exceed, such as 0.99.
[[nodiscard]] double quantile(std::span<const double> values, double part);

}  // namespace holdfast::benchmarks
