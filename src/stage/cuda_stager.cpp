#include "stage/cuda_stager.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <holdfast/error.hpp>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "base/error_text.hpp"
#include "base/log.hpp"
#include "tensor/slabs.hpp"

namespace holdfast::stage {
namespace {

/// Smaller copies go together: a call for each would cost more than its bytes.
constexpr std::size_t small_bytes = 1 << 20;

bool is_small(const Copy& copy) {
  const std::size_t bytes = run_bytes(copy.from);
  return copy.space.kind == cuda::MemoryKind::device && bytes < small_bytes && bytes == packed_bytes(copy.from);
}

/// Runs `function`, and adds the tensor's name to its errors.
template <class Function>
void for_tensor(const std::string& name, Function&& function) {
  try {
    function();
  } catch (...) {
    throw current_error({.tensor = name});
  }
}

/// Enqueues small copies in one call. If that fails, enqueues them one by one to find the tensor that is to blame.
void enqueue_small(DeviceQueue& queue, std::span<const cuda::Move> moves, std::span<const std::string* const> tensors) {
  try {
    queue.stream().copy_all(moves);
  } catch (const Error& error) {
    log::debug("{}; trying again one by one", error.what());
    for (std::size_t i = 0; i < moves.size(); ++i) for_tensor(*tensors[i], [&] { queue.stream().copy(moves[i]); });
  }
}

/// Enqueues all copies from one device, large ones first, so that the device is busy while the others are enqueued.
void enqueue(DeviceQueue& queue, const std::vector<Copy>& copies) {
  std::vector<cuda::Move> small;
  std::vector<const std::string*> tensors;
  for (const Copy& copy : copies) {
    if (is_small(copy)) {
      small.push_back({copy.from.data, copy.to, packed_bytes(copy.from)});
      tensors.push_back(&copy.tensor);
    } else {
      for_tensor(copy.tensor, [&] { queue.gather(copy.from, copy.to); });
    }
  }
  if (!small.empty()) enqueue_small(queue, small, tensors);
}

/// Copies into an arena that is not pinned: through the ring, from whose buffers the host copies on.
void bounce(DeviceQueue& queue, const std::vector<Copy>& copies, Deadline deadline) {
  for (const Copy& copy : copies)
    for_tensor(copy.tensor, [&] {
      for (const Slab& slab : slabs(whole(copy.from.extent), copy.from.element_bytes, PinnedRing::buffer_bytes)) {
        std::byte* const buffer = queue.ring().next(deadline);
        queue.gather(part_of(copy.from, slab.box), buffer);
        queue.ring().submit(queue.stream().mark(), [to = copy.to + slab.begin_bytes, buffer, bytes = slab.bytes] {
          std::memcpy(to, buffer, bytes);
        });
      }
    });
  for_tensor(copies.front().tensor, [&] { queue.ring().drain(deadline); });
}

/// The work of one device.
struct Part {
  std::shared_ptr<DeviceQueue> queue;
  std::vector<Copy> copies;          ///< copies from the device's memory
  std::optional<cuda::Event> begin;  ///< end of the earlier work on the caller's stream
  std::optional<cuda::Event> end;    ///< end of the copies; nothing if they have to be bounced
};

/// Makes all that is enqueued from here on wait for the present work of `after`.
void put_behind(Part& part, cuda::Stream after) {
  part.begin.emplace(part.queue->device(), after);
  part.queue->stream().after(*part.begin);
}

/// Enqueues all copies of one device, if the arena is pinned.
void start(Part& part) {
  if (part.copies.empty()) return;
  const Copy& first = part.copies.front();
  for_tensor(first.tensor, [&] {
    if (cuda::memory_space_of(first.to).kind != cuda::MemoryKind::pinned) return;
    enqueue(*part.queue, part.copies);
    part.end.emplace(part.queue->stream().mark());
  });
}

/// Copies of devices and of the host. The first call of make_wait() or finish() enqueues those of devices: with a
/// thousand tensors that takes a millisecond, in which the program's thread can give its device work, if another thread
/// stages.
class CudaPendingCopy final : public PendingCopy {
 public:
  CudaPendingCopy(const HostStager& host, std::vector<Copy> pageable, std::vector<Copy> pinned,
                  std::map<int, Part> parts)
      : host_(host), pageable_(std::move(pageable)), pinned_(std::move(pinned)), parts_(std::move(parts)) {}

  void finish(Deadline deadline) override {
    try {
      start_once();
      host_.stage(pageable_);  // while the devices copy
      stage_pinned(deadline);
      for (auto& [number, part] : parts_)
        if (!part.copies.empty() && !part.end) bounce(*part.queue, part.copies, deadline);
      for (auto& [number, part] : parts_)
        if (part.end) await_end(part, deadline);
    } catch (...) {
      for (auto& [number, part] : parts_) part.queue->give_up();
      throw;
    }
  }

  bool make_wait(cuda::Stream stream) override {
    try {
      start_once();
    } catch (const std::exception& error) {
      log::debug("{}; finish() will say so", error.what());
      return false;
    }
    for (const auto& [number, part] : parts_)
      if (!part.copies.empty() && !part.end) return false;
    for (const auto& [number, part] : parts_)
      if (part.end) part.end->make_wait(stream);
    return true;
  }

 private:
  /// A failure is final: when finish() has thrown, nothing may be written any more.
  void start_once() {
    std::call_once(started_, [this] {
      try {
        for (auto& [number, part] : parts_) start(part);
      } catch (...) {
        failure_ = std::current_exception();
      }
    });
    if (failure_) std::rethrow_exception(failure_);
  }

  /// Devices may still write pinned memory until they have done the earlier work on the caller's stream.
  void stage_pinned(Deadline deadline) {
    if (pinned_.empty()) return;
    for (const auto& [number, part] : parts_)
      if (!part.begin->wait(deadline)) throw late(part, pinned_.front().tensor);
    host_.stage(pinned_);
  }

  static void await_end(const Part& part, Deadline deadline) {
    const std::string& first = part.copies.front().tensor;
    for_tensor(first, [&] {
      if (!part.end->wait(deadline)) throw late(part, first);
    });
  }

  static Error late(const Part& part, const std::string& tensor) {
    return {
        ErrorCode::timeout,
        fmt::format("{}: {} copies, of which this is the first, were not done in time; is the work before them stuck?",
                    part.queue->device()->name(), std::max<std::size_t>(part.copies.size(), 1)),
        {.host = host_name(), .tensor = tensor}};
  }

  HostStager host_;
  std::vector<Copy> pageable_, pinned_;
  std::map<int, Part> parts_;
  std::once_flag started_;
  std::exception_ptr failure_;
};

}  // namespace

std::shared_ptr<DeviceQueue> CudaStager::queue_of(int device) {
  std::shared_ptr<DeviceQueue>& queue = queues_[device];
  if (!queue || queue->given_up()) {
    queue.reset();
    queue = std::make_shared<DeviceQueue>(device);
  }
  return queue;
}

std::shared_ptr<const void> CudaStager::prepare(std::span<const Copy> copies, std::span<std::byte> arena) {
  std::shared_ptr<const void> pinned;
  std::set<int> devices;
  for (const Copy& copy : copies)
    if (copy.space.on_device()) devices.insert(copy.space.device);
  if (devices.empty() || arena.empty()) return nullptr;
  try {
    for (const int device : devices) queue_of(device);
    return std::make_shared<cuda::Registration>(queue_of(*devices.begin())->device(), arena);
  } catch (const Error& error) {
    if (!std::exchange(said_unpinned_, true))
      log::warning("the arena is not page-locked, so that staging from devices takes a second copy: {}", error.what());
    return nullptr;
  }
}

std::shared_ptr<PendingCopy> CudaStager::begin(std::vector<Copy> copies, cuda::Stream after) {
  std::vector<Copy> pageable, pinned;
  std::map<int, Part> parts;
  for (Copy& copy : copies) {
    const int device = copy.space.device;
    if (device >= 0 && !parts[device].queue) for_tensor(copy.tensor, [&] { parts[device].queue = queue_of(device); });
    if (copy.space.on_device())
      parts[device].copies.push_back(std::move(copy));
    else
      (copy.space.kind == cuda::MemoryKind::pinned ? pinned : pageable).push_back(std::move(copy));
  }
  try {
    for (auto& entry : parts) {
      Part& part = entry.second;  // clang 14 captures no structured binding
      const std::vector<Copy>& own = part.copies.empty() ? pinned : part.copies;
      for_tensor(own.front().tensor, [&] { put_behind(part, after); });
    }
  } catch (...) {
    for (auto& [number, part] : parts) part.queue->give_up();
    throw;
  }
  return std::make_shared<CudaPendingCopy>(host_, std::move(pageable), std::move(pinned), std::move(parts));
}

}  // namespace holdfast::stage
