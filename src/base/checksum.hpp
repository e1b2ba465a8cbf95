#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/codec.hpp"

namespace holdfast {

/// XXH3-64 with seed 0, the checksum of the file format (docs/format.md).
[[nodiscard]] std::uint64_t checksum(std::span<const std::byte> bytes) noexcept;

/// The same checksum, of bytes that arrive in pieces. A copy continues from the original's state.
class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum& other);
  Checksum& operator=(const Checksum& other);
  void update(std::span<const std::byte> bytes) noexcept;
  [[nodiscard]] std::uint64_t value() const noexcept;

  /// The state of the checksum, state_bytes long, with which another process resumes. Both need the same version of
  /// libxxhash.
  [[nodiscard]] Bytes state() const;
  static const std::size_t state_bytes;
  /// Replaces the state of this checksum. Throws Error(communication) where `state` is not one.
  void resume(std::span<const std::byte> state);

 private:
  void* state_;
};

}  // namespace holdfast
