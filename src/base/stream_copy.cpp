#include "base/stream_copy.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/clock.hpp"
#include "base/copy_choice.hpp"
#include "base/log.hpp"

namespace holdfast {
namespace {

/// The target of a shorter copy may well be in the caches.
constexpr std::size_t stream_from_bytes = 32 << 10;
/// Longer copies are made in blocks of this size, each in its own way.
constexpr std::size_t block_bytes = 256 << 10;

constexpr int found_out = -1;
std::atomic<int> forced = found_out;

/// memcpy is not tried: its bytes are still in the caches when it ends, and later copies pay for writing them back.
std::span<const CopyWay> tried_ways() noexcept {
  return copy_ways().size() == 1 ? copy_ways() : copy_ways().subspan(1);
}

/// Short copies are timed separately, because their sources are mostly in the caches: loads copy blocks that they have
/// just read.
CopyChoice& short_copies() noexcept {
  static CopyChoice choice(tried_ways());
  return choice;
}
CopyChoice& long_copies() noexcept {
  static CopyChoice choice(tried_ways());
  return choice;
}

void tell(const CopyChoice& choice) noexcept {
  try {
    log::info("copies of {} 256 KiB are made by {}", &choice == &long_copies() ? "more than" : "up to",
              choice.in_words());
  } catch (...) {  // a failed log line must not fail the copy
  }
}

void copy_timed(CopyChoice& choice, CopyChoice::Trial trial, std::byte* to, const std::byte* from,
                std::size_t bytes) noexcept {
  const Clock::time_point start = Clock::now();
  copy_by(trial.way, to, from, bytes);
  const std::chrono::nanoseconds time = Clock::now() - start;
  if (choice.note(trial, bytes, static_cast<std::uint64_t>(time.count()))) tell(choice);
}

void copy_block(CopyChoice& choice, std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  const CopyChoice::Trial trial = choice.next();
  if (trial.timed)
    copy_timed(choice, trial, to, from, bytes);
  else
    copy_by(trial.way, to, from, bytes);
}

/// The first block ends at the end of a cache line, so that the others begin at one. The last block includes a short
/// rest.
void copy_blocks(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  const std::size_t past_line = reinterpret_cast<std::uintptr_t>(to) % cache_line_bytes;
  for (std::size_t done = 0; done < bytes;) {
    const std::size_t left = bytes - done, block = done == 0 ? block_bytes - past_line : block_bytes;
    const std::size_t next = left < 2 * block_bytes ? left : block;
    copy_block(long_copies(), to + done, from + done, next);
    done += next;
  }
}

}  // namespace

void stream_copy(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  if (bytes < stream_from_bytes)
    std::memcpy(to, from, bytes);
  else if (const int way = forced.load(std::memory_order_relaxed); way != found_out)
    copy_by(static_cast<CopyWay>(way), to, from, bytes);
  else if (bytes <= block_bytes)
    copy_block(short_copies(), to, from, bytes);
  else
    copy_blocks(to, from, bytes);
}

void force_copy(std::optional<CopyWay> way) noexcept {
  forced.store(way ? static_cast<int>(*way) : found_out, std::memory_order_relaxed);
}

std::string copy_in_words() {
  if (const int way = forced.load(std::memory_order_relaxed); way != found_out)
    return std::string(name_of(static_cast<CopyWay>(way))) + ", set";
  return std::string(name_of(long_copies().way())) + (long_copies().is_tried() ? ", measured" : ", not measured");
}

}  // namespace holdfast
