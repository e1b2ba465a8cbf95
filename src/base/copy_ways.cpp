#include "base/copy_ways.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace holdfast {
namespace {

constexpr std::array<std::string_view, copy_way_count> names = {"memcpy", "page_sse", "page_avx", "pages_sse",
                                                                "pages_avx"};

#ifdef __x86_64__

constexpr std::size_t line_bytes = cache_line_bytes, page_bytes = 4096, pages = 4;

// In all these functions `to` is at the start of a cache line.

void line_sse(std::byte* to, const std::byte* from) noexcept {
  auto* target = reinterpret_cast<__m128i*>(to);
  const auto* source = reinterpret_cast<const __m128i*>(from);
  const __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1), c = _mm_loadu_si128(source + 2),
                d = _mm_loadu_si128(source + 3);
  _mm_stream_si128(target, a);
  _mm_stream_si128(target + 1, b);
  _mm_stream_si128(target + 2, c);
  _mm_stream_si128(target + 3, d);
}

[[gnu::target("avx")]] void line_avx(std::byte* to, const std::byte* from) noexcept {
  auto* target = reinterpret_cast<__m256i*>(to);
  const auto* source = reinterpret_cast<const __m256i*>(from);
  const __m256i a = _mm256_loadu_si256(source), b = _mm256_loadu_si256(source + 1);
  _mm256_stream_si256(target, a);
  _mm256_stream_si256(target + 1, b);
}

void page_sse(std::byte* to, const std::byte* from) noexcept {
  for (std::size_t line = 0; line < page_bytes; line += line_bytes) line_sse(to + line, from + line);
}

[[gnu::target("avx")]] void page_avx(std::byte* to, const std::byte* from) noexcept {
  for (std::size_t line = 0; line < page_bytes; line += line_bytes) line_avx(to + line, from + line);
}

void pages_sse(std::byte* to, const std::byte* from) noexcept {
  for (std::size_t line = 0; line < page_bytes; line += line_bytes)
    for (std::size_t page = 0; page < pages * page_bytes; page += page_bytes)
      line_sse(to + page + line, from + page + line);
}

[[gnu::target("avx")]] void lines_avx(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  for (std::size_t line = 0; line < bytes; line += line_bytes) _mm_prefetch(from + bytes + line, _MM_HINT_T0);
  for (std::size_t line = 0; line < bytes; line += line_bytes) line_avx(to + line, from + line);
}

[[gnu::target("avx")]] void pages_avx(std::byte* to, const std::byte* from) noexcept {
  constexpr std::size_t step = 4 * line_bytes;
  for (std::size_t lines = 0; lines < page_bytes; lines += step)
    for (std::size_t page = 0; page < pages * page_bytes; page += page_bytes)
      lines_avx(to + page + lines, from + page + lines, step);
}

/// Copies whole lines: groups of pages as far as possible, then the rest line by line.
void copy_lines(void (*group)(std::byte*, const std::byte*) noexcept, std::size_t group_bytes, std::byte* to,
                const std::byte* from, std::size_t bytes) noexcept {
  std::size_t done = 0;
  for (; bytes - done >= group_bytes; done += group_bytes) group(to + done, from + done);
  for (; done < bytes; done += line_bytes) line_sse(to + done, from + done);
  _mm_sfence();
}

void copy_lines(CopyWay way, std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  switch (way) {
    case CopyWay::page_sse:
      return copy_lines(page_sse, page_bytes, to, from, bytes);
    case CopyWay::page_avx:
      return copy_lines(page_avx, page_bytes, to, from, bytes);
    case CopyWay::pages_sse:
      return copy_lines(pages_sse, pages * page_bytes, to, from, bytes);
    case CopyWay::pages_avx:
      return copy_lines(pages_avx, pages * page_bytes, to, from, bytes);
    case CopyWay::memcpy:
      break;
  }
  std::memcpy(to, from, bytes);
}

constexpr std::array with_avx = {CopyWay::memcpy, CopyWay::page_avx, CopyWay::page_sse, CopyWay::pages_sse,
                                 CopyWay::pages_avx};
constexpr std::array without = {CopyWay::memcpy, CopyWay::page_sse, CopyWay::pages_sse};

std::span<const CopyWay> ways_of_processor() noexcept {
  if (__builtin_cpu_supports("avx")) return with_avx;
  return without;
}

#else

void copy_lines(CopyWay /*way*/, std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  std::memcpy(to, from, bytes);
}

std::span<const CopyWay> ways_of_processor() noexcept {
  static constexpr CopyWay only = CopyWay::memcpy;
  return {&only, 1};
}

#endif

}  // namespace

std::string_view name_of(CopyWay way) noexcept {
  return names[static_cast<std::size_t>(way)];
}

std::span<const CopyWay> copy_ways() noexcept {
  static const std::span<const CopyWay> ways = ways_of_processor();
  return ways;
}

std::optional<CopyWay> copy_way_of(std::string_view name) noexcept {
  const auto way = std::ranges::find(copy_ways(), name, name_of);
  if (way == copy_ways().end()) return std::nullopt;
  return *way;
}

void copy_by(CopyWay way, std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  const std::size_t past_line = reinterpret_cast<std::uintptr_t>(to) % cache_line_bytes;
  const std::size_t before = std::min(bytes, past_line == 0 ? 0 : cache_line_bytes - past_line);
  const std::size_t lines = (bytes - before) / cache_line_bytes * cache_line_bytes, done = before + lines;
  std::memcpy(to, from, before);
  copy_lines(way, to + before, from + before, lines);
  std::memcpy(to + done, from + done, bytes - done);
}

}  // namespace holdfast
