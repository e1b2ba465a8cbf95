#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace holdfast {

/// Numbers different things 0, 1, 2, ... in the order in which they come, by checksums of them: a hash table without hashing.
class Numbering {
 public:
  /// For at most so many different ones.
  explicit Numbering(std::size_t most) : slots_(std::bit_ceil(2 * most + 2)) {}

  /// `is_it(n)` says of number n, whose checksum is the same, whether it is the one that is meant. A new one gets the next
  /// number.
  template <class IsIt>
  std::uint32_t number_of(std::uint64_t checksum, IsIt&& is_it) {
    Slot& slot = slots_[place_of(checksum, is_it)];
    if (slot.number == none) slot = {checksum, count_++};
    return slot.number;
  }

  /// The same, for one that may have no number.
  template <class IsIt>
  [[nodiscard]] std::optional<std::uint32_t> find(std::uint64_t checksum, IsIt&& is_it) const {
    const Slot& slot = slots_[place_of(checksum, is_it)];
    if (slot.number == none) return std::nullopt;
    return slot.number;
  }

 private:
  /// Where it is, or is to be.
  template <class IsIt>
  [[nodiscard]] std::size_t place_of(std::uint64_t checksum, IsIt&& is_it) const {
    // From the highest bits: the lowest are alike for what goes to the same rank.
    std::size_t place = checksum >> (64 - std::countr_zero(slots_.size()));
    for (;; ++place) {
      place &= slots_.size() - 1;
      const Slot& slot = slots_[place];
      if (slot.number == none || (slot.checksum == checksum && is_it(slot.number))) return place;
    }
  }

  static constexpr auto none = std::numeric_limits<std::uint32_t>::max();
  struct Slot {
    std::uint64_t checksum = 0;
    std::uint32_t number = none;
  };

  std::vector<Slot> slots_;
  std::uint32_t count_ = 0;
};

}  // namespace holdfast
