#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "wrap/cuda.hpp"

namespace holdfast::stage {

/// Page-locked buffers that host and device use in turn, so that both work at the same time.
class PinnedRing {
 public:
  static constexpr std::size_t buffer_bytes = 16 << 20;

  /// Throws CUDA's error if there is no memory for the buffers.
  explicit PinnedRing(const std::shared_ptr<const cuda::Device>& device);

  /// The next buffer, once the device is done with it and its `then` has run. Throws Error(timeout).
  std::byte* next(Deadline deadline);
  /// Says that the device is done with the buffer of the last next() when `event` is. `then` runs before the buffer is
  /// used again.
  void submit(cuda::Event event, std::function<void()> then = {});
  /// Waits until the device is done with all buffers, in the order of submit(), and runs their `then`. Throws
  /// Error(timeout).
  void drain(Deadline deadline);

 private:
  struct Buffer {
    explicit Buffer(const std::shared_ptr<const cuda::Device>& device) : memory(device, buffer_bytes) {}
    void settle(Deadline deadline);

    cuda::PinnedMemory memory;
    std::unique_ptr<cuda::Event> busy;
    std::function<void()> then;
  };
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::size_t turn_ = 0;
};

}  // namespace holdfast::stage
