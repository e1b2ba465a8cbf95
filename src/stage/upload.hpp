#pragma once

#include <map>
#include <memory>
#include <span>

#include "stage/lane.hpp"

namespace holdfast::stage {

/// Brings bytes into the memory of devices, in pieces: while one is on its way up, the caller gets the next one ready.
class Uploads {
 public:
  static constexpr std::size_t most_bytes = PinnedRing::buffer_bytes;

  Uploads() = default;
  /// Where finish() was not reached, waits, bounded, until the devices touch no memory for us any more.
  ~Uploads();
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;

  /// A page-locked buffer of most_bytes to be filled for send(), for memory on `device`.
  [[nodiscard]] std::byte* buffer(int device);
  /// Sends what buffer() gave for that device last: `to`, densely packed, of at most most_bytes.
  void send(int device, const std::byte* packed, const StridedMemory& to);
  /// Waits until everything has arrived. Throws what it met on the way.
  void finish();

 private:
  Lane& lane_of(int device);
  std::map<int, std::unique_ptr<Lane>> lanes_;
};

}  // namespace holdfast::stage
