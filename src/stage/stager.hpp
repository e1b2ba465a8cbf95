#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "tensor/strided.hpp"
#include "wrap/cuda.hpp"

namespace holdfast::stage {

/// One piece on its way into the arena: strided memory of the program to packed bytes of the helper.
struct Copy {
  StridedMemory from;
  std::byte* to = nullptr;
  cuda::Place place = {};   ///< where `from` is
  std::string tensor = {};  ///< its name, for errors
};

/// Copies that have begun. Dropping it waits for nothing.
class Underway {
 public:
  virtual ~Underway() = default;
  /// Blocks until every copy is done, in any thread. Throws what a copy met, with the tensor's name where one is to blame,
  /// or Error(timeout). Nothing is written into the arena any more when it throws, but for a timeout.
  virtual void finish(Deadline deadline) = 0;
  /// Makes `stream` wait on its device until the copies from devices are done, and returns once they are enqueued; those of
  /// host memory are not waited for. In any thread, also beside finish(). False where that cannot be done: finish() has to be
  /// waited for.
  virtual bool hold(cuda::Stream stream) = 0;
};

/// Copies pieces into the arena. One implementation per kind of memory; tests/…/stager_conformance runs on each.
class Stager {
 public:
  virtual ~Stager() = default;
  /// Gets ready for copies like these into `arena`, so that the first save is as fast as any. The result is to be kept for
  /// as long as the arena is staged into, and dropped before the arena's memory goes. What cannot be had costs speed only.
  virtual std::shared_ptr<const void> prepare(std::span<const Copy> copies, std::span<std::byte> arena) = 0;
  /// Begins. What devices copy comes behind the work that `after` has now, and is enqueued by hold() or finish(), whichever
  /// is called first; what host memory holds is read in finish().
  /// Copies do not overlap each other. One Underway of an object at a time.
  virtual std::shared_ptr<Underway> begin(std::vector<Copy> copies, cuda::Stream after) = 0;
};

}  // namespace holdfast::stage
