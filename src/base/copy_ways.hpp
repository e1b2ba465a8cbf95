#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace holdfast {

/// How bytes are copied. All but memcpy store around the caches; which of them is fastest depends on the processor
/// (docs/decisions/0024-chosen-copies.md). Page ways go through one page after the other, pages ways through four side by side.
enum class CopyWay : std::uint8_t {
  memcpy,
  page_sse,   ///< one page, a line at a time, by stores of 16 bytes
  page_avx,   ///< the same by stores of 32 bytes
  pages_sse,  ///< four pages, a line of each in turn, by stores of 16 bytes
  pages_avx,  ///< four pages, four lines of each in turn, fetched ahead, by stores of 32 bytes
};
inline constexpr std::size_t copy_way_count = 5;

/// Bytes that a store around the caches fills at once; copies go fastest from the start of such a line on.
inline constexpr std::size_t cache_line_bytes = 64;

[[nodiscard]] std::string_view name_of(CopyWay way) noexcept;

/// The ways that this processor has: memcpy first, then the one that does best or nearly so on most, then the others.
[[nodiscard]] std::span<const CopyWay> copy_ways() noexcept;
[[nodiscard]] std::optional<CopyWay> copy_way_of(std::string_view name) noexcept;

/// Copies in a way that this processor has, any number of bytes from anywhere to anywhere else. Other threads see the bytes as
/// after a memcpy.
void copy_by(CopyWay way, std::byte* to, const std::byte* from, std::size_t bytes) noexcept;

}  // namespace holdfast
