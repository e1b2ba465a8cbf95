#include "step.hpp"

#include <algorithm>
#include <cmath>

#include "base/clock.hpp"

namespace holdfast::benchmarks {
namespace {

constexpr std::size_t cached_doubles = (256 << 10) / sizeof(double);
constexpr std::size_t pass_doubles = (2 << 20) / sizeof(double);
constexpr std::size_t streamed_doubles = 128 * pass_doubles;
constexpr double wanted_s = 4e-3;

void advance(double* numbers, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) numbers[i] = numbers[i] * 0.999 + 0.001;
}

}  // namespace

Step::Step() : cached_(cached_doubles, 1.0), streamed_(streamed_doubles, 1.0) {
  repeats_ = 200;
  double least_s = 1;
  for (int i = 0; i < 20; ++i) least_s = std::min(least_s, run());
  repeats_ = std::max(1, static_cast<int>(std::lround(repeats_ * wanted_s / least_s)));
}

double Step::run() {
  const Stopwatch watch;
  for (int i = 0; i < repeats_; ++i) advance(cached_.data(), cached_.size());
  advance(streamed_.data() + at_, pass_doubles);
  at_ = (at_ + pass_doubles) % streamed_doubles;
  return watch.seconds();
}

}  // namespace holdfast::benchmarks
