#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/block.hpp"
#include "base/clock.hpp"

struct CUctx_st;
struct CUevent_st;
struct CUstream_st;

/// CUDA's driver interface, one thin checked class per object. The driver library is never loaded from here: only a process
/// that has loaded it, by the CUDA runtime or otherwise, can have memory on a device (docs/decisions/0008-gpu.md). Without a
/// toolkit at build time the same functions are there, and present() is false.
///
/// Children hold their parents (stream, event, memory -> device). What fails throws Error(device), or out_of_memory, that names
/// the device, the call and CUDA's reason. No call changes the thread's current device. Thread-safe but for objects that two
/// threads change at once.
namespace holdfast::cuda {

/// A cudaStream_t; null and CUDA's other special values mean the default streams of the device that is spoken of.
using Stream = CUstream_st*;

/// Does this process use CUDA, and is there a device? Asks again as long as no driver is loaded. Whatever else the answer no
/// means is said once in the log.
[[nodiscard]] bool present();
/// False in a library that was built without CUDA.
[[nodiscard]] bool built() noexcept;

enum class Kind {
  pageable,  ///< the process's own, or what CUDA does not know
  pinned,    ///< page-locked or registered: devices reach it
  managed,   ///< both reach it
  device,
};

struct Place {
  Kind kind = Kind::pageable;
  int device = -1;  ///< CUDA's number; -1 for pageable memory
  [[nodiscard]] bool on_device() const noexcept { return kind == Kind::managed || kind == Kind::device; }
};

/// Memory that CUDA gave out or registered as a whole; without bytes where it knows nothing.
struct Allocation {
  Place place;
  const std::byte* begin = nullptr;
  std::size_t bytes = 0;
  [[nodiscard]] bool holds(const void* memory) const noexcept {
    const auto* const byte = static_cast<const std::byte*>(memory);
    return begin <= byte && byte < begin + bytes;
  }
};

/// What kind of memory is there, and the whole of it. Local, a microsecond; without present() everything is pageable.
[[nodiscard]] Allocation allocation_of(const void* memory);
[[nodiscard]] inline Place place_of(const void* memory) {
  return allocation_of(memory).place;
}

/// A device by its primary context, which is that of the CUDA runtime.
class Device {
 public:
  explicit Device(int number);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  /// "device 0 (NVIDIA H100)".
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] CUctx_st* context() const noexcept { return context_; }

 private:
  int number_;
  std::string name_;
  CUctx_st* context_ = nullptr;
};

/// A point in a stream's work.
class Event {
 public:
  /// The end of what `stream` has to do now.
  Event(std::shared_ptr<const Device> device, Stream stream);
  ~Event();
  Event(Event&& other) noexcept;
  Event& operator=(Event&&) = delete;

  /// Asks. Throws what the work before it met.
  [[nodiscard]] bool done() const;
  /// Waits until done() or the deadline; false when that is over first.
  [[nodiscard]] bool wait(Deadline deadline) const;
  /// Makes `stream` wait for it, on the device.
  void hold(Stream stream) const;

 private:
  std::shared_ptr<const Device> device_;
  CUevent_st* event_ = nullptr;
};

/// Bytes from here to there.
struct Move {
  const std::byte* from = nullptr;
  std::byte* to = nullptr;
  std::size_t bytes = 0;
};

/// A stream of our own: of the highest priority, and in no order with the default stream. Every call enqueues and returns;
/// host memory should be pinned, or the call waits.
class CopyStream {
 public:
  explicit CopyStream(std::shared_ptr<const Device> device);
  ~CopyStream();
  CopyStream(const CopyStream&) = delete;
  CopyStream& operator=(const CopyStream&) = delete;

  /// What is enqueued from here on starts after `event`.
  void after(const Event& event) { event.hold(stream_); }
  void copy(const Move& move);
  /// A block to packed bytes, and back.
  void gather(const std::byte* from, const Block& block, std::byte* packed);
  void scatter(const std::byte* packed, const Block& block, std::byte* to);
  /// In any order among themselves, from the memory of devices, in one call where the driver has one.
  void copy_all(std::span<const Move> moves);
  [[nodiscard]] Event mark() const { return Event(device_, stream_); }

 private:
  std::shared_ptr<const Device> device_;
  Stream stream_ = nullptr;
};

/// Page-locks memory of the process for all devices as long as it lives, which must be shorter than the memory's life.
class Registration {
 public:
  Registration(std::shared_ptr<const Device> device, std::span<std::byte> memory);
  ~Registration();
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  std::shared_ptr<const Device> device_;
  void* memory_;
};

/// Page-locked memory.
class PinnedMemory {
 public:
  PinnedMemory(std::shared_ptr<const Device> device, std::size_t bytes);
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;
  [[nodiscard]] std::span<std::byte> span() const noexcept { return memory_; }

 private:
  std::shared_ptr<const Device> device_;
  std::span<std::byte> memory_;
};

/// A range in the timeline that Nsight Systems shows, from here to the end of the scope, of this thread.
class Range {
 public:
  explicit Range(const char* name);
  ~Range();
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
};

}  // namespace holdfast::cuda
