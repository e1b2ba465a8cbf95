#pragma once

#include <map>
#include <memory>
#include <span>

#include "stage/device_queue.hpp"

namespace holdfast::stage {

/// Copies bytes into the memory of devices, in pieces: while one is on its way, the caller prepares the next.
class Uploads {
 public:
  static constexpr std::size_t most_bytes = PinnedRing::buffer_bytes;

  Uploads() = default;
  /// If finish() was not reached: waits, up to a limit, until the devices touch no memory for us any more.
  ~Uploads();
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;

  /// A page-locked buffer of most_bytes, borrowed, which the caller fills and gives to send() for the same device.
  [[nodiscard]] std::byte* buffer(int device);
  /// Sends `packed`, the last buffer() of this device, to `to`, which has at most most_bytes.
  void send(int device, const std::byte* packed, const StridedMemory& to);
  /// Waits until everything has arrived. Throws what a copy failed with.
  void finish();

 private:
  DeviceQueue& queue_of(int device);
  std::map<int, std::unique_ptr<DeviceQueue>> queues_;
};

}  // namespace holdfast::stage
