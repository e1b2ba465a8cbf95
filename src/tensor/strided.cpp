#include "tensor/strided.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <holdfast/error.hpp>
#include <limits>
#include <span>
#include <type_traits>

#include "base/stream_copy.hpp"
#include "tensor/runs.hpp"

namespace holdfast {
namespace {

/// Calls `copy_run(memory, packed offset)` for each run, in row-major order.
template <class CopyRun>
void copy_runs(const StridedMemory& memory, const Runs& runs, CopyRun copy_run) {
  std::size_t packed = 0;
  for_each_start(memory.data, runs, 1, [&](std::byte* row) {
    const auto [count, stride] = runs.loops[0];
    for (std::uint64_t i = 0; i < count; ++i, row += stride, packed += runs.bytes) copy_run(row, packed);
  });
}

/// Calls `copy` with the size of a run, as a compile-time constant if it is the size of an element: runs of that size
/// are many and too short for a call of memcpy.
template <class Copy>
void with_run_size(std::size_t bytes, Copy copy) {
  switch (bytes) {
    case 1:
      return copy(std::integral_constant<std::size_t, 1>{});
    case 2:
      return copy(std::integral_constant<std::size_t, 2>{});
    case 4:
      return copy(std::integral_constant<std::size_t, 4>{});
    case 8:
      return copy(std::integral_constant<std::size_t, 8>{});
    case 16:
      return copy(std::integral_constant<std::size_t, 16>{});
    default:
      return copy(bytes);
  }
}

std::uint64_t magnitude(std::int64_t stride) {
  return stride < 0 ? 0 - static_cast<std::uint64_t>(stride) : static_cast<std::uint64_t>(stride);
}

/// A dimension with more than one element.
struct Loop {
  std::int64_t most_steps, stride;
};

/// The dimensions with more than one element, largest strides first.
std::vector<Loop> loops_of(const Shard& shard) {
  std::vector<Loop> loops;
  for (std::size_t d = 0; d < shard.stride.size(); ++d)
    if (shard.extent[d] > 1)
      loops.push_back(
          {static_cast<std::int64_t>(shard.extent[d] - 1), static_cast<std::int64_t>(magnitude(shard.stride[d]))});
  std::ranges::sort(loops, std::greater(), &Loop::stride);
  return loops;
}

std::int64_t reach(std::span<const Loop> loops) {
  std::int64_t sum = 0;
  for (const Loop& loop : loops) sum += loop.most_steps * loop.stride;
  return sum;
}

/// Whether steps along the loops, forwards or backwards, can add up to `distance`. No stride is 0. A stride is mostly
/// larger than the combined reach of the loops after it, and then only one number of steps has to be tried.
bool can_go(std::int64_t distance, std::span<const Loop> loops) {
  if (loops.empty()) return distance == 0;
  const auto [most_steps, stride] = loops.front();
  const std::int64_t behind = reach(loops.subspan(1));
  if (distance < 0) distance = -distance;
  for (std::int64_t steps = std::min(most_steps, (distance + behind) / stride); steps >= -most_steps; --steps) {
    const std::int64_t left = distance - steps * stride;
    if (left > behind) return false;
    if (can_go(left, loops.subspan(1))) return true;
  }
  return false;
}

void check(const StridedMemory& memory) {
  if (memory.stride_bytes.size() != memory.extent.size() || memory.extent.size() > max_dimensions)
    throw Error(ErrorCode::internal, "a box of memory whose strides do not fit its dimensions");
}

}  // namespace

StridedMemory memory_of(const TensorView& view, const Box& box) {
  const Shard& shard = view.shard;
  const auto element_bytes = static_cast<std::int64_t>(size_of(view.dtype));
  StridedMemory memory{static_cast<std::byte*>(view.data), box.extent, shard.stride, size_of(view.dtype)};
  if (shard.stride.empty()) memory.stride_bytes = packed_strides(shard.extent);
  std::int64_t distance = 0;
  for (std::size_t d = 0; d < box.dimensions(); ++d) {
    memory.stride_bytes[d] *= element_bytes;
    distance += static_cast<std::int64_t>(box.offset[d] - shard.offset[d]) * memory.stride_bytes[d];
  }
  if (!empty(box)) memory.data += distance;
  return memory;
}

bool has_countable_strides(const Shard& shard, std::size_t element_bytes) noexcept {
  const auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / element_bytes;
  std::uint64_t left = most;
  for (std::size_t d = 0; d < shard.stride.size(); ++d) {
    const std::uint64_t stride = magnitude(shard.stride[d]), steps = shard.extent[d] > 1 ? shard.extent[d] - 1 : 0;
    if (stride > most || (stride != 0 && steps > left / stride)) return false;
    left -= steps * stride;
  }
  return true;
}

bool overlaps_itself(const Shard& shard) {
  if (empty(shard.extent)) return false;
  const std::vector<Loop> loops = loops_of(shard);
  if (!loops.empty() && loops.back().stride == 0) return true;
  for (std::span<const Loop> rest = loops; !rest.empty(); rest = rest.subspan(1)) {
    const auto [most_steps, stride] = rest.front();
    for (std::int64_t steps = 1; steps <= std::min(most_steps, reach(rest.subspan(1)) / stride); ++steps)
      if (can_go(steps * stride, rest.subspan(1))) return true;
  }
  return false;
}

StridedMemory packed_memory(std::byte* packed, const Box& box, std::size_t element_bytes) {
  StridedMemory memory{packed, box.extent, packed_strides(box.extent), element_bytes};
  for (std::int64_t& stride : memory.stride_bytes) stride *= static_cast<std::int64_t>(element_bytes);
  return memory;
}

StridedMemory part_of(const StridedMemory& memory, const Box& box) {
  StridedMemory part = memory;
  part.extent = box.extent;
  for (std::size_t d = 0; d < box.dimensions(); ++d)
    part.data += static_cast<std::int64_t>(box.offset[d]) * memory.stride_bytes[d];
  return part;
}

std::uint64_t packed_bytes(const StridedMemory& memory) noexcept {
  return volume(memory.extent) * memory.element_bytes;
}

std::size_t run_bytes(const StridedMemory& memory) noexcept {
  return empty(memory.extent) ? 0 : collapse(memory).bytes;
}

void pack(const StridedMemory& from, std::byte* packed) {
  check(from);
  if (empty(from.extent)) return;
  const Runs runs = collapse(from);
  with_run_size(runs.bytes, [&](auto bytes) {
    copy_runs(from, runs, [&](const std::byte* run, std::size_t offset) {
      if constexpr (std::is_same_v<decltype(bytes), std::size_t>)
        stream_copy(packed + offset, run, bytes);
      else
        std::memcpy(packed + offset, run, bytes);
    });
  });
}

void unpack(const std::byte* packed, const StridedMemory& to) {
  check(to);
  if (empty(to.extent)) return;
  const Runs runs = collapse(to);
  with_run_size(runs.bytes, [&](auto bytes) {
    copy_runs(to, runs, [&](std::byte* run, std::size_t offset) { std::memcpy(run, packed + offset, bytes); });
  });
}

void copy(const StridedMemory& from, const StridedMemory& to) {
  check(from);
  check(to);
  if (empty(from.extent)) return;
  const CommonRuns runs(from, to);
  with_run_size(runs.bytes(), [&](auto bytes) {
    runs.for_each(
        [&](std::int64_t in_from, std::int64_t in_to) { std::memcpy(to.data + in_to, from.data + in_from, bytes); });
  });
}

}  // namespace holdfast
