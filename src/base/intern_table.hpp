#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace holdfast {

/// Numbers distinct objects 0, 1, 2, ... in the order of their first appearance. The caller supplies their checksums,
/// which serve as hashes.
class InternTable {
 public:
  /// For at most `most` distinct objects.
  explicit InternTable(std::size_t most) : buckets_(std::bit_ceil(2 * most + 2)) {}

  /// The number of an object; a new object gets the next number. `is_it(n)` returns whether object n, which has the
  /// same checksum, is this one.
  template <class IsIt>
  std::uint32_t intern(std::uint64_t checksum, IsIt&& is_it) {
    Bucket& bucket = buckets_[place_of(checksum, is_it)];
    if (bucket.number == none) bucket = {checksum, count_++};
    return bucket.number;
  }

  /// The number of an object; none if it has not been interned.
  template <class IsIt>
  [[nodiscard]] std::optional<std::uint32_t> find(std::uint64_t checksum, IsIt&& is_it) const {
    const Bucket& bucket = buckets_[place_of(checksum, is_it)];
    if (bucket.number == none) return std::nullopt;
    return bucket.number;
  }

 private:
  /// The object's bucket, or the free bucket where it belongs.
  template <class IsIt>
  [[nodiscard]] std::size_t place_of(std::uint64_t checksum, IsIt&& is_it) const {
    // Uses the highest bits: names that meet on the same rank agree in the lowest.
    std::size_t place = checksum >> (64 - std::countr_zero(buckets_.size()));
    for (;; ++place) {
      place &= buckets_.size() - 1;
      const Bucket& bucket = buckets_[place];
      if (bucket.number == none || (bucket.checksum == checksum && is_it(bucket.number))) return place;
    }
  }

  static constexpr auto none = std::numeric_limits<std::uint32_t>::max();
  struct Bucket {
    std::uint64_t checksum = 0;
    std::uint32_t number = none;
  };

  std::vector<Bucket> buckets_;
  std::uint32_t count_ = 0;
};

}  // namespace holdfast
