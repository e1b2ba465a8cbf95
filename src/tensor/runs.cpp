#include "tensor/runs.hpp"

namespace holdfast {
namespace {

/// The longest distance between two rows that copy engines support, in bytes.
constexpr std::int64_t most_pitch = 0x7fffffff;

bool can_be_rows(const Runs& runs) {
  const auto [count, stride] = runs.loops[0];
  return count == 1 || (stride >= static_cast<std::int64_t>(runs.bytes) && stride <= most_pitch);
}

bool can_be_layers(const Runs& runs) {
  const auto [rows, pitch] = runs.loops[0];
  const std::int64_t distance = runs.loops[1].stride;
  return runs.depth > 1 && distance % pitch == 0 && distance >= pitch * static_cast<std::int64_t>(rows);
}

}  // namespace

Runs collapse(const StridedMemory& memory) {
  Runs runs{.bytes = memory.element_bytes};
  bool contiguous = true;
  for (std::size_t d = memory.extent.size(); d-- > 0;) {
    const std::uint64_t count = memory.extent[d];
    const std::int64_t stride = memory.stride_bytes[d];
    Runs::Loop& outermost = runs.loops[runs.depth - 1];
    if (count == 1) continue;
    if (contiguous && stride == static_cast<std::int64_t>(runs.bytes)) {
      runs.bytes *= count;
      continue;
    }
    if (contiguous)
      outermost = {count, stride};
    else if (stride == outermost.stride * static_cast<std::int64_t>(outermost.count))
      outermost.count *= count;
    else
      runs.loops[runs.depth++] = {count, stride};
    contiguous = false;
  }
  return runs;
}

CommonRuns::CommonRuns(const StridedMemory& a, const StridedMemory& b)
    : a_(a), b_(b), loops_(a.extent.size()), bytes_(a.element_bytes) {
  while (loops_ > 0 && is_contiguous(loops_ - 1)) bytes_ *= a_.extent[--loops_];
}

bool CommonRuns::is_contiguous(std::size_t dimension) const {
  const auto follows = [&](const StridedMemory& memory) {
    return memory.stride_bytes[dimension] == static_cast<std::int64_t>(bytes_);
  };
  return a_.extent[dimension] == 1 || (follows(a_) && follows(b_));
}

void for_each_block(const StridedMemory& memory,
                    const std::function<void(std::byte* memory, std::size_t packed, const Block& block)>& visit) {
  if (run_bytes(memory) == 0) return;
  const Runs runs = collapse(memory);
  Block block{.bytes = runs.bytes, .pitch = runs.bytes};
  std::size_t level = 0;
  if (can_be_rows(runs)) {
    block.rows = block.layer_rows = runs.loops[0].count;
    if (block.rows > 1) block.pitch = static_cast<std::size_t>(runs.loops[0].stride);
    level = 1;
    if (block.rows > 1 && can_be_layers(runs)) {
      block.layers = runs.loops[1].count;
      block.layer_rows = static_cast<std::size_t>(runs.loops[1].stride) / block.pitch;
      level = 2;
    }
  }
  std::size_t packed = 0;
  for_each_start(memory.data, runs, level, [&](std::byte* start) {
    visit(start, packed, block);
    packed += block.packed_bytes();
  });
}

}  // namespace holdfast
