#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "tensor/strided.hpp"
#include "wrap/cuda.hpp"

namespace holdfast::stage {

/// Conversion of the elements on their way.
struct Conversion {
  DType from{}, to{};
};

/// A copy into the arena: from strided memory of the program to packed bytes of the helper.
struct Copy {
  StridedMemory from;
  std::byte* to = nullptr;
  cuda::MemorySpace space = {};               ///< memory space of `from`
  std::string tensor = {};                    ///< name of the tensor, for errors
  std::optional<Conversion> conversion = {};  ///< for host memory only

  /// Bytes that it writes.
  [[nodiscard]] std::uint64_t bytes() const noexcept {
    const std::uint64_t packed = packed_bytes(from);
    return conversion ? packed / from.element_bytes * size_of(conversion->to) : packed;
  }
};

/// Copies that have begun. The destructor waits for nothing.
class PendingCopy {
 public:
  virtual ~PendingCopy() = default;
  /// Blocks until every copy is done. In any thread. Throws what a copy threw, with the tensor's name where one is to
  /// blame, or Error(timeout). After an error other than a timeout nothing more is written into the arena.
  virtual void finish(Deadline deadline) = 0;
  /// Makes `stream` wait, on its device, until the copies from devices are done; returns once they are enqueued. The
  /// stream does not wait for copies from host memory. In any thread, also beside finish(). False where the stream
  /// cannot wait: the caller has to wait for finish() then.
  virtual bool make_wait(cuda::Stream stream) = 0;
};

/// Copies pieces into the arena. There is one implementation for each kind of memory.
/// tests/unit/stage/stager_conformance.cpp tests each of them.
class Stager {
 public:
  virtual ~Stager() = default;
  /// Prepares for copies like these into `arena`, so that the first save is as fast as any. The caller keeps the result
  /// as long as it stages into the arena, and drops it before the arena's memory goes. What cannot be prepared costs
  /// speed only.
  virtual std::shared_ptr<const void> prepare(std::span<const Copy> copies, std::span<std::byte> arena) = 0;
  /// Begins the copies, which must not overlap each other. Devices copy after the present work of `after`; their copies
  /// are enqueued by make_wait() or finish(), whichever is called first. Host memory is read in finish(). A Stager has
  /// one PendingCopy at a time.
  virtual std::shared_ptr<PendingCopy> begin(std::vector<Copy> copies, cuda::Stream after) = 0;
};

}  // namespace holdfast::stage
