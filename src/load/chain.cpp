#include "load/chain.hpp"

#include <algorithm>

namespace holdfast::load {

std::optional<Stretch> stretch_of(const Box& part, const Box& chunk, std::size_t element_bytes) {
  std::size_t whole_from = part.dimensions();  // the dimensions from here on are the chunk's
  while (whole_from > 0 && part.extent[whole_from - 1] == chunk.extent[whole_from - 1]) --whole_from;
  const std::vector<std::int64_t> strides = packed_strides(chunk.extent);
  std::uint64_t first = 0;
  for (std::size_t d = 0; d < part.dimensions(); ++d) {
    if (d + 1 < whole_from && part.extent[d] != 1) return std::nullopt;
    first += (part.offset[d] - chunk.offset[d]) * static_cast<std::uint64_t>(strides[d]);
  }
  return Stretch{first * element_bytes, (first + volume(part.extent)) * element_bytes};
}

std::vector<Claim> chain(std::vector<Claim> claims, std::uint64_t bytes) {
  std::ranges::sort(claims, {}, [](const Claim& claim) { return claim.stretch.begin; });
  std::vector<Claim> links;
  auto next = claims.begin();
  for (std::uint64_t at = 0; at < bytes;) {
    Claim longest{.rank = -1, .stretch = {at, at}};
    for (; next != claims.end() && next->stretch.begin <= at; ++next)
      if (next->stretch.end > longest.stretch.end) longest = {next->rank, {at, next->stretch.end}};
    if (longest.rank < 0) return {};
    links.push_back(longest);
    at = longest.stretch.end;
  }
  return links;
}

}  // namespace holdfast::load
