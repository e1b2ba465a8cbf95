#include "stage/device_queue.hpp"

#include "base/log.hpp"
#include "tensor/runs.hpp"

namespace holdfast::stage {
namespace {

constexpr double leftover_timeout_s = 10;

bool one_row(const Block& block) {
  return block.rows == 1 && block.layers == 1;
}

}  // namespace

void DeviceQueue::gather(const StridedMemory& from, std::byte* packed) {
  for_each_block(from, [&](const std::byte* memory, std::size_t offset, const Block& block) {
    if (one_row(block))
      stream_.copy({memory, packed + offset, block.bytes});
    else
      stream_.gather(memory, block, packed + offset);
  });
}

void DeviceQueue::scatter(const std::byte* packed, const StridedMemory& to) {
  for_each_block(to, [&](std::byte* memory, std::size_t offset, const Block& block) {
    if (one_row(block))
      stream_.copy({packed + offset, memory, block.bytes});
    else
      stream_.scatter(packed + offset, block, memory);
  });
}

PinnedRing& DeviceQueue::ring() {
  if (!ring_) ring_.emplace(device_);
  return *ring_;
}

void DeviceQueue::give_up() noexcept {
  given_up_ = true;
  try {
    given_up_ = stream_.mark().wait(Deadline(Seconds(leftover_timeout_s)));
  } catch (const std::exception& error) {
    log::debug("a device that failed: {}", error.what());  // the device does nothing for us any more
  }
  ring_.reset();
}

}  // namespace holdfast::stage
