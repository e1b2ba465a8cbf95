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

/// CUDA's driver interface, one thin checked class per object. This code never loads the driver library: only a process
/// that has loaded it, by the CUDA runtime or otherwise, can have memory on a device (docs/decisions/0008-gpu.md). In a
/// build without the CUDA toolkit the same functions exist, and present() returns false.
///
/// Children hold their parents (stream, event, memory -> device). Failures throw Error(device), or out_of_memory, with
/// the device, the call and CUDA's reason. No call changes the thread's current device. Thread-safe, except that two
/// threads must not change one object at once.
namespace holdfast::cuda {

/// A cudaStream_t. Null and CUDA's other special values mean the default streams of the device in question.
using Stream = CUstream_st*;

/// Whether this process uses CUDA and has a device. While no driver is loaded, each call looks again. Any other reason
/// for false is logged once.
[[nodiscard]] bool present();
/// False in a library that was built without CUDA.
[[nodiscard]] bool built() noexcept;

enum class MemoryKind {
  pageable,  ///< ordinary host memory, or memory unknown to CUDA
  pinned,    ///< page-locked or registered host memory, which devices can access
  managed,   ///< memory that host and devices can access
  device,
};

struct MemorySpace {
  MemoryKind kind = MemoryKind::pageable;
  int device = -1;  ///< CUDA's number; -1 for pageable memory
  [[nodiscard]] bool on_device() const noexcept { return kind == MemoryKind::managed || kind == MemoryKind::device; }
};

/// Memory that CUDA allocated or registered in one call; `bytes` is 0 if CUDA does not know the memory.
struct Allocation {
  MemorySpace space;
  const std::byte* begin = nullptr;
  std::size_t bytes = 0;
  [[nodiscard]] bool holds(const void* memory) const noexcept {
    const auto* const byte = static_cast<const std::byte*>(memory);
    return begin <= byte && byte < begin + bytes;
  }
};

/// The allocation that `memory` lies in, and its kind. Local; takes a microsecond. Pageable if present() is false.
[[nodiscard]] Allocation allocation_of(const void* memory);
[[nodiscard]] inline MemorySpace memory_space_of(const void* memory) {
  return allocation_of(memory).space;
}

/// A device, used through its primary context, which the CUDA runtime uses too.
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

/// A point in the work of a stream.
class Event {
 public:
  /// Marks the end of the work that `stream` has now.
  Event(std::shared_ptr<const Device> device, Stream stream);
  ~Event();
  Event(Event&& other) noexcept;
  Event& operator=(Event&&) = delete;

  /// Whether the work before the event is done. Does not wait. Throws if that work failed.
  [[nodiscard]] bool done() const;
  /// Waits until done(); false if the deadline is over first.
  [[nodiscard]] bool wait(Deadline deadline) const;
  /// Makes `stream` wait for the event, on the device.
  void make_wait(Stream stream) const;

 private:
  std::shared_ptr<const Device> device_;
  CUevent_st* event_ = nullptr;
};

/// A copy of contiguous bytes.
struct Move {
  const std::byte* from = nullptr;
  std::byte* to = nullptr;
  std::size_t bytes = 0;
};

/// A stream of our own, of the highest priority and not synchronized with the default stream. Every call enqueues and
/// returns; with pageable host memory it waits.
class CopyStream {
 public:
  explicit CopyStream(std::shared_ptr<const Device> device);
  ~CopyStream();
  CopyStream(const CopyStream&) = delete;
  CopyStream& operator=(const CopyStream&) = delete;

  /// Work enqueued from now on starts after `event`.
  void after(const Event& event) { event.make_wait(stream_); }
  void copy(const Move& move);
  /// Copy a block to packed bytes, and packed bytes to a block.
  void gather(const std::byte* from, const Block& block, std::byte* packed);
  void scatter(const std::byte* packed, const Block& block, std::byte* to);
  /// Copies from device memory, in any order, with one batched call if the driver has one.
  void copy_all(std::span<const Move> moves);
  [[nodiscard]] Event mark() const { return Event(device_, stream_); }

 private:
  std::shared_ptr<const Device> device_;
  Stream stream_ = nullptr;
};

/// Page-locks memory of the process, for all devices, while the object lives. The memory must outlive it.
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

/// Page-locked host memory, owned.
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

/// Marks this thread's time from construction to destruction in the timeline of Nsight Systems.
class ProfilerRange {
 public:
  explicit ProfilerRange(const char* name);
  ~ProfilerRange();
  ProfilerRange(const ProfilerRange&) = delete;
  ProfilerRange& operator=(const ProfilerRange&) = delete;
};

}  // namespace holdfast::cuda
