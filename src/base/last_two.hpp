#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace holdfast {

/// The two things that were used last, by their numbers; 0 is no number.
template <class Thing>
class LastTwo {
 public:
  /// nullptr if it is not there. Otherwise it has been used now. Stays valid until the next call.
  [[nodiscard]] Thing* find(std::uint64_t number) {
    if (number == 0) return nullptr;
    if (kept_[1].first == number) std::swap(kept_[0], kept_[1]);
    return kept_[0].first == number ? &kept_[0].second : nullptr;
  }
  /// In place of the one that was not used for longer. Stays valid until the next call.
  Thing& put(std::uint64_t number, Thing thing) {
    kept_[1] = {number, std::move(thing)};
    std::swap(kept_[0], kept_[1]);
    return kept_[0].second;
  }

 private:
  std::array<std::pair<std::uint64_t, Thing>, 2> kept_{};  ///< the last one first
};

}  // namespace holdfast
