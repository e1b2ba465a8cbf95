#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "tensor/box.hpp"

namespace holdfast::load {

/// Bytes of a chunk that follow each other in its row-major order, in which its checksum is taken: [begin, end).
struct Stretch {
  std::uint64_t begin = 0, end = 0;

  bool operator==(const Stretch&) const = default;
  static void fields(auto& codec, auto& self) { codec(self.begin, self.end); }
};

/// Where `part`, a box inside of `chunk`, stands in it; nothing if it is not one stretch.
[[nodiscard]] std::optional<Stretch> stretch_of(const Box& part, const Box& chunk, std::size_t element_bytes);

/// A stretch that a rank has.
struct Claim {
  int rank = -1;
  Stretch stretch;

  bool operator==(const Claim&) const = default;
};

/// As few as there can be of the claims, each cut to where the one before ends, that together are all `bytes` of a chunk, in
/// their order; none where the claims leave a gap.
[[nodiscard]] std::vector<Claim> chain(std::vector<Claim> claims, std::uint64_t bytes);

}  // namespace holdfast::load
