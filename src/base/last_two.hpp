#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace holdfast {

/// Keeps the two most recently used objects, by their numbers, which are not 0.
template <class Thing>
class LastTwo {
 public:
  /// The object with this number, now the most recently used; nullptr if it is not kept. Valid until the next call.
  [[nodiscard]] Thing* find(std::uint64_t number) {
    if (number == 0) return nullptr;
    if (kept_[1].first == number) std::swap(kept_[0], kept_[1]);
    return kept_[0].first == number ? &kept_[0].second : nullptr;
  }
  /// Replaces the least recently used object. The reference is valid until the next call.
  Thing& put(std::uint64_t number, Thing thing) {
    kept_[1] = {number, std::move(thing)};
    std::swap(kept_[0], kept_[1]);
    return kept_[0].second;
  }

 private:
  std::array<std::pair<std::uint64_t, Thing>, 2> kept_{};  ///< most recently used first
};

}  // namespace holdfast
