#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

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

 private:
  void* state_;
};

}  // namespace holdfast
