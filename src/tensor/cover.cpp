#include "tensor/cover.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include "tensor/box_index.hpp"

namespace holdfast {
namespace {

constexpr std::uint64_t prime = (std::uint64_t{1} << 61) - 1;

std::uint64_t multiply(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  const std::uint64_t sum = static_cast<std::uint64_t>(product & prime) + static_cast<std::uint64_t>(product >> 61);
  return sum >= prime ? sum - prime : sum;
}

/// A hash of a position along a dimension, modulo the prime: SplitMix64 of Steele, Lea and Flood.
std::uint64_t hash(std::size_t dimension, std::uint64_t place) {
  std::uint64_t z = place + (dimension + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return (z ^ (z >> 31)) % prime;
}

std::vector<const Box*> pointers(std::span<const Box> boxes) {
  std::vector<const Box*> all;
  all.reserve(boxes.size());
  for (const Box& box : boxes) all.push_back(&box);
  return all;
}

std::uint64_t end_of(const Box& box, std::size_t d) {
  return box.offset[d] + box.extent[d];
}

struct Range {
  std::uint64_t begin = 0, end = 0;
};

/// The first range of dimension `d`, within the global extent, in which the boxes' cross-sections add up to less than
/// `full`.
std::optional<Range> first_deficit(std::span<const Box* const> boxes, std::size_t d, std::uint64_t global_extent,
                                   std::uint64_t full) {
  std::map<std::uint64_t, std::int64_t> changes{{0, 0}, {global_extent, 0}};
  for (const Box* box : boxes) {
    const auto section = static_cast<std::int64_t>(
        volume(Shape(box->extent.begin() + static_cast<std::ptrdiff_t>(d) + 1, box->extent.end())));
    changes[box->offset[d]] += section;
    changes[end_of(*box, d)] -= section;
  }
  std::int64_t covered = 0;
  for (auto change = changes.begin(); change->first < global_extent; ++change) {
    covered += change->second;
    if (covered < static_cast<std::int64_t>(full)) return Range{change->first, std::next(change)->first};
  }
  return std::nullopt;
}

}  // namespace

CoverSum::CoverSum(const Box& box) noexcept : value_(1) {
  for (std::size_t d = 0; d < box.dimensions(); ++d)
    value_ = multiply(value_, (hash(d, box.offset[d]) + prime - hash(d, end_of(box, d))) % prime);
}

CoverSum& CoverSum::operator+=(CoverSum other) noexcept {
  value_ = (value_ + other.value_) % prime;
  return *this;
}

std::optional<std::pair<std::size_t, std::size_t>> find_overlap(std::span<const Box> boxes) {
  const BoxIndex index(pointers(boxes));
  std::vector<std::uint32_t> found;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    index.find(boxes[i], found);
    for (const std::uint32_t other : found)
      if (other > i) return std::pair<std::size_t, std::size_t>(i, other);
  }
  return std::nullopt;
}

std::optional<Box> find_hole(const Shape& global, std::span<const Box> boxes) {
  std::uint64_t covered = 0;
  for (const Box& box : boxes) covered += volume(box.extent);
  if (covered == volume(global)) return std::nullopt;  // without overlaps, counting is enough
  Box hole = whole(global);
  std::vector<const Box*> around = pointers(boxes);
  for (std::size_t d = 0; d < global.size(); ++d) {
    const std::uint64_t full = volume(Shape(global.begin() + static_cast<std::ptrdiff_t>(d) + 1, global.end()));
    const Range missing = first_deficit(around, d, global[d], full).value();
    hole.offset[d] = missing.begin;
    hole.extent[d] = missing.end - missing.begin;
    std::erase_if(around,
                  [&](const Box* box) { return box->offset[d] > missing.begin || end_of(*box, d) <= missing.begin; });
  }
  return hole;
}

}  // namespace holdfast
