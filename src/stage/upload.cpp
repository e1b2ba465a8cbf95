#include "stage/upload.hpp"

namespace holdfast::stage {
namespace {

/// A load has no time limit of its own. A device that takes so long for a few megabytes does not work.
constexpr Seconds upload_timeout{600};

}  // namespace

Uploads::~Uploads() {
  for (auto& [number, queue] : queues_) queue->give_up();
}

DeviceQueue& Uploads::queue_of(int device) {
  std::unique_ptr<DeviceQueue>& queue = queues_[device];
  if (!queue) queue = std::make_unique<DeviceQueue>(device);
  return *queue;
}

std::byte* Uploads::buffer(int device) {
  return queue_of(device).ring().next(Deadline(upload_timeout));
}

void Uploads::send(int device, const std::byte* packed, const StridedMemory& to) {
  DeviceQueue& queue = queue_of(device);
  queue.scatter(packed, to);
  queue.ring().submit(queue.stream().mark());
}

void Uploads::finish() {
  for (auto& [number, queue] : queues_) queue->ring().drain(Deadline(upload_timeout));
}

}  // namespace holdfast::stage
