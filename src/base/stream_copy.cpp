#include "base/stream_copy.hpp"

#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace holdfast {

#ifdef __SSE2__

namespace {

constexpr std::size_t line_bytes = 64;
/// Below, the target is as likely in the caches as not.
constexpr std::size_t stream_from_bytes = 32 << 10;
/// So many pages are copied side by side, a line of each in turn: memory gives and takes more when asked in several places, and
/// the processor fetches ahead in each page for itself (docs/decisions/0023-side-by-side.md).
constexpr std::size_t pages = 4, page_bytes = 4096;

/// `to` is at the start of a line.
void stream_line(std::byte* to, const std::byte* from) noexcept {
  auto* target = reinterpret_cast<__m128i*>(to);
  const auto* source = reinterpret_cast<const __m128i*>(from);
  const __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1), c = _mm_loadu_si128(source + 2),
                d = _mm_loadu_si128(source + 3);
  _mm_stream_si128(target, a);
  _mm_stream_si128(target + 1, b);
  _mm_stream_si128(target + 2, c);
  _mm_stream_si128(target + 3, d);
}

void stream_pages(std::byte* to, const std::byte* from) noexcept {
  for (std::size_t line = 0; line < page_bytes; line += line_bytes)
    for (std::size_t page = 0; page < pages; ++page) stream_line(to + page * page_bytes + line, from + page * page_bytes + line);
}

/// Whole lines; `to` is at the start of one.
void stream_lines(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  std::size_t done = 0;
  for (; bytes - done >= pages * page_bytes; done += pages * page_bytes) stream_pages(to + done, from + done);
  for (; done < bytes; done += line_bytes) stream_line(to + done, from + done);
  _mm_sfence();
}

}  // namespace

void stream_copy(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  if (bytes < stream_from_bytes) {
    std::memcpy(to, from, bytes);
    return;
  }
  const std::size_t before = (line_bytes - reinterpret_cast<std::uintptr_t>(to) % line_bytes) % line_bytes;
  std::memcpy(to, from, before);
  const std::size_t streamed = (bytes - before) / line_bytes * line_bytes, done = before + streamed;
  stream_lines(to + before, from + before, streamed);
  std::memcpy(to + done, from + done, bytes - done);
}

#else

void stream_copy(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  std::memcpy(to, from, bytes);
}

#endif

}  // namespace holdfast
