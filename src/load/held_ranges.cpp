#include "load/held_ranges.hpp"

#include <algorithm>

namespace holdfast::load {

std::optional<ByteRange> byte_range_of(const Box& part, const Box& chunk, std::size_t element_bytes) {
  std::size_t whole_from = part.dimensions();  // from here on the extents are those of the chunk
  while (whole_from > 0 && part.extent[whole_from - 1] == chunk.extent[whole_from - 1]) --whole_from;
  const std::vector<std::int64_t> strides = packed_strides(chunk.extent);
  std::uint64_t first = 0;
  for (std::size_t d = 0; d < part.dimensions(); ++d) {
    if (d + 1 < whole_from && part.extent[d] != 1) return std::nullopt;
    first += (part.offset[d] - chunk.offset[d]) * static_cast<std::uint64_t>(strides[d]);
  }
  return ByteRange{first * element_bytes, (first + volume(part.extent)) * element_bytes};
}

std::vector<HeldRange> covering_ranges(std::vector<HeldRange> held, std::uint64_t bytes) {
  std::ranges::sort(held, {}, [](const HeldRange& range) { return range.range.begin; });
  std::vector<HeldRange> links;
  auto next = held.begin();
  for (std::uint64_t at = 0; at < bytes;) {
    HeldRange longest{.rank = -1, .range = {at, at}};
    for (; next != held.end() && next->range.begin <= at; ++next)
      if (next->range.end > longest.range.end) longest = {next->rank, {at, next->range.end}};
    if (longest.rank < 0) return {};
    links.push_back(longest);
    at = longest.range.end;
  }
  return links;
}

}  // namespace holdfast::load
