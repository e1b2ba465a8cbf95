#pragma once

#include <array>
#include <functional>

#include "base/block.hpp"
#include "tensor/strided.hpp"

namespace holdfast {

/// Strided memory as a minimal nest of loops over runs of contiguous bytes. loops[0] is the innermost; there is at
/// least one loop.
struct Runs {
  struct Loop {
    std::uint64_t count = 1;
    std::int64_t stride = 0;  ///< bytes
  };
  std::size_t bytes = 0;  ///< bytes of one run
  std::array<Loop, max_dimensions> loops{};
  std::size_t depth = 1;
};

/// Merges dimensions that follow each other without a gap. The memory must not be empty.
[[nodiscard]] Runs collapse(const StridedMemory& memory);

/// Calls `visit(start)` for every iteration of the loops from `level` outward, in row-major order. `start` is the first
/// byte of the inner part: of each run at level 0, of each innermost loop at level 1.
template <class Visit>
void for_each_start(std::byte* data, const Runs& runs, std::size_t level, Visit visit) {
  std::array<std::uint64_t, max_dimensions> position{};
  while (true) {
    visit(data);
    std::size_t at = level;
    for (; at < runs.depth; ++at) {
      data += runs.loops[at].stride;
      if (++position[at] < runs.loops[at].count) break;
      data -= runs.loops[at].stride * static_cast<std::int64_t>(runs.loops[at].count);
      position[at] = 0;
    }
    if (at >= runs.depth) return;
  }
}

/// The runs of bytes that are contiguous in both of two memories. Both have the same extent and element size and are
/// not empty.
class CommonRuns {
 public:
  /// Borrows both.
  CommonRuns(const StridedMemory& a, const StridedMemory& b);

  /// Bytes of one run.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

  /// Calls visit(offset in a, offset in b), in bytes, for each run, in row-major order.
  template <class Visit>
  void for_each(Visit visit) const {
    std::array<std::uint64_t, max_dimensions> position{};
    std::int64_t in_a = 0, in_b = 0;
    while (true) {
      visit(in_a, in_b);
      std::size_t at = loops_;
      for (; at > 0; --at) {
        const std::uint64_t count = a_.extent[at - 1];
        if (++position[at - 1] < count) break;
        step(at - 1, 1 - static_cast<std::int64_t>(count), in_a, in_b);
        position[at - 1] = 0;
      }
      if (at == 0) return;
      step(at - 1, 1, in_a, in_b);
    }
  }

 private:
  [[nodiscard]] bool is_contiguous(std::size_t dimension) const;
  void step(std::size_t dimension, std::int64_t count, std::int64_t& in_a, std::int64_t& in_b) const {
    in_a += count * a_.stride_bytes[dimension];
    in_b += count * b_.stride_bytes[dimension];
  }

  const StridedMemory& a_;
  const StridedMemory& b_;
  std::size_t loops_;  ///< number of dimensions outside of the runs
  std::uint64_t bytes_;
};

/// Divides the memory, which may be empty, into the fewest blocks and calls `visit(memory, packed offset, block)` for
/// each.
void for_each_block(const StridedMemory& memory,
                    const std::function<void(std::byte* memory, std::size_t packed, const Block& block)>& visit);

}  // namespace holdfast
