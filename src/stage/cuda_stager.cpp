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

/// Below, a copy of its own costs more than its bytes.
constexpr std::size_t small_bytes = 1 << 20;

bool is_small(const Copy& copy) {
  const std::size_t bytes = run_bytes(copy.from);
  return copy.place.kind == cuda::Kind::device && bytes < small_bytes && bytes == packed_bytes(copy.from);
}

/// Runs `function`, whose errors get the tensor's name.
template <class Function>
void for_tensor(const std::string& name, Function&& function) {
  try {
    function();
  } catch (...) {
    throw current_error({.tensor = name});
  }
}

/// Small copies in one call. If that fails, one by one, so that it is known which is to blame.
void enqueue_small(Lane& lane, std::span<const cuda::Move> moves, std::span<const std::string* const> tensors) {
  try {
    lane.stream().copy_all(moves);
  } catch (const Error& error) {
    log::debug("{}; trying again one by one", error.what());
    for (std::size_t i = 0; i < moves.size(); ++i) for_tensor(*tensors[i], [&] { lane.stream().copy(moves[i]); });
  }
}

/// All copies from one device. Large ones go first, so that the device is busy while the others are enqueued.
void enqueue(Lane& lane, const std::vector<Copy>& copies) {
  std::vector<cuda::Move> small;
  std::vector<const std::string*> tensors;
  for (const Copy& copy : copies) {
    if (is_small(copy)) {
      small.push_back({copy.from.data, copy.to, packed_bytes(copy.from)});
      tensors.push_back(&copy.tensor);
    } else {
      for_tensor(copy.tensor, [&] { lane.gather(copy.from, copy.to); });
    }
  }
  if (!small.empty()) enqueue_small(lane, small, tensors);
}

/// The same where the arena is not pinned: through the ring, with a copy by the host for each buffer.
void bounce(Lane& lane, const std::vector<Copy>& copies, Deadline deadline) {
  for (const Copy& copy : copies)
    for_tensor(copy.tensor, [&] {
      for (const Slab& slab : slabs(whole(copy.from.extent), copy.from.element_bytes, PinnedRing::buffer_bytes)) {
        std::byte* const buffer = lane.ring().next(deadline);
        lane.gather(part_of(copy.from, slab.box), buffer);
        lane.ring().lend(lane.stream().mark(),
                         [to = copy.to + slab.begin_bytes, buffer, bytes = slab.bytes] { std::memcpy(to, buffer, bytes); });
      }
    });
  for_tensor(copies.front().tensor, [&] { lane.ring().drain(deadline); });
}

/// What one device has to do.
struct Part {
  std::shared_ptr<Lane> lane;
  std::vector<Copy> copies;          ///< from its memory
  std::optional<cuda::Event> begin;  ///< what the caller's stream has to do before
  std::optional<cuda::Event> end;    ///< the copies are done; nothing if they are to be bounced
};

/// Whatever is enqueued from here on comes behind the work of `after`.
void put_behind(Part& part, cuda::Stream after) {
  part.begin.emplace(part.lane->device(), after);
  part.lane->stream().after(*part.begin);
}

/// All copies of one device, if the arena is pinned.
void start(Part& part) {
  if (part.copies.empty()) return;
  const Copy& first = part.copies.front();
  for_tensor(first.tensor, [&] {
    if (cuda::place_of(first.to).kind != cuda::Kind::pinned) return;
    enqueue(*part.lane, part.copies);
    part.end.emplace(part.lane->stream().mark());
  });
}

/// The copies are enqueued by whoever comes first: with a thousand tensors that takes a millisecond, in which the program's
/// thread can give its device work, if another one stages.
class CudaUnderway final : public Underway {
 public:
  CudaUnderway(const HostStager& host, std::vector<Copy> pageable, std::vector<Copy> pinned, std::map<int, Part> parts)
      : host_(host), pageable_(std::move(pageable)), pinned_(std::move(pinned)), parts_(std::move(parts)) {}

  void finish(Deadline deadline) override {
    try {
      start_once();
      host_.stage(pageable_);  // while the devices copy
      stage_pinned(deadline);
      for (auto& [number, part] : parts_)
        if (!part.copies.empty() && !part.end) bounce(*part.lane, part.copies, deadline);
      for (auto& [number, part] : parts_)
        if (part.end) await_end(part, deadline);
    } catch (...) {
      for (auto& [number, part] : parts_) part.lane->give_up();
      throw;
    }
  }

  bool hold(cuda::Stream stream) override {
    try {
      start_once();
    } catch (const std::exception& error) {
      log::debug("{}; finish() will say so", error.what());
      return false;
    }
    for (const auto& [number, part] : parts_)
      if (!part.copies.empty() && !part.end) return false;
    for (const auto& [number, part] : parts_)
      if (part.end) part.end->hold(stream);
    return true;
  }

 private:
  /// What failed is not tried again: when finish() has thrown, nothing may be written any more.
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

  /// Devices may still be writing it until their streams are here.
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
    return {ErrorCode::timeout,
            fmt::format("{}: {} copies, of which this is the first, were not done in time; is the work before them stuck?",
                        part.lane->device()->name(), std::max<std::size_t>(part.copies.size(), 1)),
            {.host = host_name(), .tensor = tensor}};
  }

  HostStager host_;
  std::vector<Copy> pageable_, pinned_;
  std::map<int, Part> parts_;
  std::once_flag started_;
  std::exception_ptr failure_;
};

}  // namespace

std::shared_ptr<Lane> CudaStager::lane_of(int device) {
  std::shared_ptr<Lane>& lane = lanes_[device];
  if (!lane || lane->given_up()) {
    lane.reset();
    lane = std::make_shared<Lane>(device);
  }
  return lane;
}

std::shared_ptr<const void> CudaStager::prepare(std::span<const Copy> copies, std::span<std::byte> arena) {
  std::shared_ptr<const void> pinned;
  std::set<int> devices;
  for (const Copy& copy : copies)
    if (copy.place.on_device()) devices.insert(copy.place.device);
  if (devices.empty() || arena.empty()) return nullptr;
  try {
    for (const int device : devices) lane_of(device);
    return std::make_shared<cuda::Registration>(lane_of(*devices.begin())->device(), arena);
  } catch (const Error& error) {
    if (!std::exchange(said_unpinned_, true))
      log::warning("the arena is not page-locked, so that staging from devices takes a second copy: {}", error.what());
    return nullptr;
  }
}

std::shared_ptr<Underway> CudaStager::begin(std::vector<Copy> copies, cuda::Stream after) {
  std::vector<Copy> pageable, pinned;
  std::map<int, Part> parts;
  for (Copy& copy : copies) {
    const int device = copy.place.device;
    if (device >= 0 && !parts[device].lane) for_tensor(copy.tensor, [&] { parts[device].lane = lane_of(device); });
    if (copy.place.on_device())
      parts[device].copies.push_back(std::move(copy));
    else
      (copy.place.kind == cuda::Kind::pinned ? pinned : pageable).push_back(std::move(copy));
  }
  try {
    for (auto& entry : parts) {
      Part& part = entry.second;  // clang 14 captures no structured binding
      const std::vector<Copy>& own = part.copies.empty() ? pinned : part.copies;
      for_tensor(own.front().tensor, [&] { put_behind(part, after); });
    }
  } catch (...) {
    for (auto& [number, part] : parts) part.lane->give_up();
    throw;
  }
  return std::make_shared<CudaUnderway>(host_, std::move(pageable), std::move(pinned), std::move(parts));
}

}  // namespace holdfast::stage
