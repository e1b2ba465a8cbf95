#pragma once

#include <map>
#include <memory>

#include "stage/host_stager.hpp"
#include "stage/lane.hpp"

namespace holdfast::stage {

/// Copies from the memory of devices, straight into an arena that prepare() page-locked, through pinned buffers otherwise; what
/// is in host memory by a HostStager. One stream for each device: large tensors one by one, strided ones by copies of two and
/// three dimensions, small ones in one call. Without devices it is a HostStager.
class CudaStager final : public Stager {
 public:
  explicit CudaStager(int threads) : host_(threads) {}
  std::shared_ptr<const void> prepare(std::span<const Copy> copies, std::span<std::byte> arena) override;
  std::shared_ptr<Underway> begin(std::vector<Copy> copies, cuda::Stream after) override;

 private:
  std::shared_ptr<Lane> lane_of(int device);

  HostStager host_;
  std::map<int, std::shared_ptr<Lane>> lanes_;
  bool said_unpinned_ = false;
};

}  // namespace holdfast::stage
