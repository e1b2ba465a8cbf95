#include "stage/upload.hpp"

namespace holdfast::stage {
namespace {

/// A load has no time limit of its own; a device that takes so long for a few megabytes does not work.
constexpr Seconds upload_timeout{600};

}  // namespace

Uploads::~Uploads() {
  for (auto& [number, lane] : lanes_) lane->give_up();
}

Lane& Uploads::lane_of(int device) {
  std::unique_ptr<Lane>& lane = lanes_[device];
  if (!lane) lane = std::make_unique<Lane>(device);
  return *lane;
}

std::byte* Uploads::buffer(int device) {
  return lane_of(device).ring().next(Deadline(upload_timeout));
}

void Uploads::send(int device, const std::byte* packed, const StridedMemory& to) {
  Lane& lane = lane_of(device);
  lane.scatter(packed, to);
  lane.ring().lend(lane.stream().mark());
}

void Uploads::finish() {
  for (auto& [number, lane] : lanes_) lane->ring().drain(Deadline(upload_timeout));
}

}  // namespace holdfast::stage
