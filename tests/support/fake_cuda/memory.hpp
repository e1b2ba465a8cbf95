#pragma once

#include <cuda.h>

#include <cstddef>
#include <map>

namespace fake_cuda {

/// Memory that CUDA knows, by its address.
struct Range {
  const std::byte* begin = nullptr;
  std::size_t bytes = 0;
  CUmemorytype type{};
  bool managed = false;
  bool registered = false;  ///< the program's own
  int device = 0;
  std::byte* alias = nullptr;  ///< where the fake itself reaches it
};

class Memory {
 public:
  std::byte* allocate(std::size_t bytes, CUmemorytype type, bool managed, int device);
  CUresult add(std::byte* memory, std::size_t bytes, int device);
  /// Its addresses stay reserved, and out of reach.
  CUresult give_back(const void* memory);
  /// The range that has all of these bytes; null if there is none.
  [[nodiscard]] const Range* find(const void* memory, std::size_t bytes) const;
  /// Where these bytes can be reached; null if they are not allocated.
  [[nodiscard]] std::byte* reach(const void* memory, std::size_t bytes) const;
  [[nodiscard]] std::size_t count() const noexcept { return ranges_.size(); }

 private:
  std::map<const std::byte*, Range> ranges_;
};

}  // namespace fake_cuda
