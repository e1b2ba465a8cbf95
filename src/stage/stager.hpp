#pragma once

#include <cstddef>
#include <span>

#include "tensor/strided.hpp"

namespace holdfast::stage {

/// One piece on its way into the arena: strided memory of the program to packed bytes of the helper.
struct Copy {
  StridedMemory from;
  std::byte* to = nullptr;
};

/// Copies pieces into the arena. One implementation per kind of memory; tests/…/stager_conformance runs on each.
class Stager {
 public:
  virtual ~Stager() = default;
  /// Returns when every copy is done. Copies do not overlap each other. Calls of one object do not overlap.
  virtual void stage(std::span<const Copy> copies) = 0;
};

}  // namespace holdfast::stage
