#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "wrap/cuda.hpp"

namespace holdfast::stage {

/// Page-locked buffers that take turns between the host and a device, so that one side works while the other does.
class PinnedRing {
 public:
  static constexpr std::size_t buffer_bytes = 16 << 20;

  /// Throws what CUDA says if there is no memory for them.
  explicit PinnedRing(const std::shared_ptr<const cuda::Device>& device);

  /// The next buffer, once the device is done with it and what was left to do was done.
  std::byte* next(Deadline deadline);
  /// The device is done with the buffer of next() when `event` is; `then` is what is left to do with it.
  void lend(cuda::Event event, std::function<void()> then = {});
  /// Waits for the device to be done with all buffers, in the order in which they were lent.
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
