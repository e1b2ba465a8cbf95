#pragma once

#include <map>
#include <memory>

#include "stage/device_queue.hpp"
#include "stage/host_stager.hpp"

namespace holdfast::stage {

/// Copies from the memory of devices straight into an arena that prepare() page-locked, and through pinned buffers
/// otherwise. A HostStager copies what is in host memory. Each device has one stream: large tensors are copied one by
/// one, strided ones by copies of two and three dimensions, small ones in one call. Without devices it is a HostStager.
class CudaStager final : public Stager {
 public:
  explicit CudaStager(int threads) : host_(threads) {}
  std::shared_ptr<const void> prepare(std::span<const Copy> copies, std::span<std::byte> arena) override;
  std::shared_ptr<PendingCopy> begin(std::vector<Copy> copies, cuda::Stream after) override;

 private:
  std::shared_ptr<DeviceQueue> queue_of(int device);

  HostStager host_;
  std::map<int, std::shared_ptr<DeviceQueue>> queues_;
  bool said_unpinned_ = false;
};

}  // namespace holdfast::stage
