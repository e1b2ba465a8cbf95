#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/codec.hpp"

namespace holdfast {

/// XXH3-64 with seed 0 (the checksum of the file format; see docs/format.md).
[[nodiscard]] std::uint64_t checksum(std::span<const std::byte> bytes) noexcept;

/// The same, over bytes that come in pieces. A copy goes on from there.
class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum& other);
  Checksum& operator=(const Checksum& other);
  void update(std::span<const std::byte> bytes) noexcept;
  [[nodiscard]] std::uint64_t value() const noexcept;

  /// What another process needs to go on from here, with libxxhash of the same version: state_bytes.
  [[nodiscard]] Bytes state() const;
  static const std::size_t state_bytes;
  /// Goes on from there, whatever was added before. Throws Error(communication) for what is no state.
  void resume(std::span<const std::byte> state);

 private:
  void* state_;
};

}  // namespace holdfast
