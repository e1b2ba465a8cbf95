#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "tensor/box.hpp"

namespace holdfast::load {

/// The bytes [begin, end) of a chunk in row-major order, in which its checksum is taken.
struct ByteRange {
  std::uint64_t begin = 0, end = 0;

  bool operator==(const ByteRange&) const = default;
  static void fields(auto& codec, auto& self) { codec(self.begin, self.end); }
};

/// The range of `part`, a box inside `chunk`; nothing if it is not one range.
[[nodiscard]] std::optional<ByteRange> byte_range_of(const Box& part, const Box& chunk, std::size_t element_bytes);

/// A range and the rank that has it.
struct HeldRange {
  int rank = -1;
  ByteRange range;

  bool operator==(const HeldRange&) const = default;
};

/// The fewest of the `held` ranges, of which a rank may have several, that together cover all `bytes` of a chunk, in
/// their order, each cut to begin where the one before ends. Empty where they leave a gap.
[[nodiscard]] std::vector<HeldRange> covering_ranges(std::vector<HeldRange> held, std::uint64_t bytes);

}  // namespace holdfast::load
