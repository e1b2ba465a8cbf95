#pragma once

#include <memory>
#include <optional>

#include "stage/pinned_ring.hpp"
#include "tensor/strided.hpp"
#include "wrap/cuda.hpp"

namespace holdfast::stage {

/// The stream for copies to and from one device, and buffers for where the host's memory is not pinned. Not
/// thread-safe.
class DeviceQueue {
 public:
  explicit DeviceQueue(int device) : device_(std::make_shared<const cuda::Device>(device)), stream_(device_) {}

  [[nodiscard]] const std::shared_ptr<const cuda::Device>& device() const noexcept { return device_; }
  [[nodiscard]] cuda::CopyStream& stream() noexcept { return stream_; }

  /// Enqueue a copy from the device to packed, pinned bytes (gather) and back (scatter), by as few calls as possible.
  void gather(const StridedMemory& from, std::byte* packed);
  void scatter(const std::byte* packed, const StridedMemory& to);
  /// The buffers, made at the first call.
  PinnedRing& ring();

  /// After a failure: waits, up to a limit, until the device touches no memory for us any more. Nobody should use the
  /// queue then. After a timeout given_up() is false, and the queue has to be kept: its stream holds later copies
  /// behind the unfinished ones.
  void give_up() noexcept;
  [[nodiscard]] bool given_up() const noexcept { return given_up_; }

 private:
  std::shared_ptr<const cuda::Device> device_;
  cuda::CopyStream stream_;
  std::optional<PinnedRing> ring_;
  bool given_up_ = false;
};

}  // namespace holdfast::stage
