#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace holdfast {

/// Ways of copying bytes. All but memcpy use non-temporal stores, which bypass the caches; which way is fastest depends
/// on the processor (docs/decisions/0024-chosen-copies.md).
enum class CopyWay : std::uint8_t {
  memcpy,
  page_sse,   ///< page after page, line by line, stores of 16 bytes
  page_avx,   ///< page after page, line by line, stores of 32 bytes
  pages_sse,  ///< four pages at a time, a line of each in turn, stores of 16 bytes
  pages_avx,  ///< four pages at a time, four prefetched lines of each in turn, stores of 32 bytes
};
inline constexpr std::size_t copy_way_count = 5;

/// Bytes of a cache line. Non-temporal stores are fastest if they fill whole lines.
inline constexpr std::size_t cache_line_bytes = 64;

[[nodiscard]] std::string_view name_of(CopyWay way) noexcept;

/// The ways that this processor supports: memcpy, then the way that is best or nearly best on most processors, then the
/// others.
[[nodiscard]] std::span<const CopyWay> copy_ways() noexcept;
/// The way of that name; none if this processor does not support it.
[[nodiscard]] std::optional<CopyWay> copy_way_of(std::string_view name) noexcept;

/// Copies any number of bytes, of any alignment, between memories that do not overlap. This processor must support
/// `way`. Other threads see the bytes as after a memcpy.
void copy_by(CopyWay way, std::byte* to, const std::byte* from, std::size_t bytes) noexcept;

}  // namespace holdfast
