#pragma once

#include <memory>
#include <optional>

#include "stage/pinned_ring.hpp"
#include "tensor/strided.hpp"
#include "wrap/cuda.hpp"

namespace holdfast::stage {

/// What copies to and from one device need: a stream, and buffers where one side's memory is not pinned. Not thread-safe.
class Lane {
 public:
  explicit Lane(int device) : device_(std::make_shared<const cuda::Device>(device)), stream_(device_) {}

  [[nodiscard]] const std::shared_ptr<const cuda::Device>& device() const noexcept { return device_; }
  [[nodiscard]] cuda::CopyStream& stream() noexcept { return stream_; }

  /// Enqueues a copy from the device to packed, pinned bytes, and back, by as few copies as there can be.
  void gather(const StridedMemory& from, std::byte* packed);
  void scatter(const std::byte* packed, const StridedMemory& to);
  /// Made at the first call.
  PinnedRing& ring();

  /// After a failure: waits, bounded, until the device touches no memory for us any more, then nobody should use the lane
  /// again. Where that does not come, the lane has to be kept, as its stream keeps later copies behind those.
  void give_up() noexcept;
  [[nodiscard]] bool given_up() const noexcept { return given_up_; }

 private:
  std::shared_ptr<const cuda::Device> device_;
  cuda::CopyStream stream_;
  std::optional<PinnedRing> ring_;
  bool given_up_ = false;
};

}  // namespace holdfast::stage
