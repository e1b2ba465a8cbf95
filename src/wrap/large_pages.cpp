#include "wrap/large_pages.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <locale>
#include <new>
#include <utility>

namespace holdfast {
namespace {

constexpr int collapse = 25;  // MADV_COLLAPSE, which glibc 2.36 does not define
/// Bytes per request for large pages. If memory is too fragmented for one request, no further requests are made.
constexpr std::uint64_t piece_bytes = 64 << 20;

std::uint64_t up_to(std::uint64_t bytes, std::uint64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

/// The size of a large page; 0 if the system has none.
std::uint64_t large_page_bytes() {
  static const std::uint64_t bytes = [] {
    std::ifstream file("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
    file.imbue(std::locale::classic());
    std::uint64_t value = 0;
    file >> value;
    return value;
  }();
  return bytes;
}

std::uint64_t page_bytes() {
  return static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

/// Reserves addresses for whole pages, without memory behind them. Aligns them to large pages if at least one fits.
std::span<std::byte> reserve(std::uint64_t bytes) noexcept {
  const std::uint64_t whole = up_to(bytes, page_bytes()), large = large_page_bytes();
  const std::uint64_t unit = large != 0 && large <= whole ? large : page_bytes();
  void* const all = mmap(nullptr, whole + unit, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return {};
  const auto begin = reinterpret_cast<std::uintptr_t>(all);
  const std::uint64_t before = up_to(begin, unit) - begin, after = unit - before;
  auto* const first = static_cast<std::byte*>(all) + before;
  if (before != 0) munmap(all, before);
  if (after != 0) munmap(first + whole, after);
  return {first, whole};
}

}  // namespace

Pages::Pages(Pages&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

Pages& Pages::operator=(Pages&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

Pages::~Pages() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

Pages Pages::allocate(std::uint64_t bytes) {
  Pages pages(reserve(bytes));
  if (!pages || mprotect(pages.data(), pages.bytes_.size(), PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  madvise(pages.data(), pages.bytes_.size(), MADV_HUGEPAGE);
  return pages;
}

/// With an old size of 0, mremap makes a second mapping of the same pages. This makes the system call itself, because
/// UCX replaces libc's mremap by one without the new address.
Pages Pages::view(std::span<std::byte> shared) noexcept {
  Pages pages(reserve(shared.size()));
  if (!pages) return {};
  const long address =
      syscall(SYS_mremap, shared.data(), 0, pages.bytes_.size(), MREMAP_MAYMOVE | MREMAP_FIXED, pages.data());
  return address == -1 ? Pages() : std::move(pages);
}

/// Frees existing pages first, because collapsing would copy them. Each large page then needs one small page to begin
/// with, which madvise makes: it returns an error if it cannot, where a touch would raise SIGBUS.
void lay_on_large_pages(std::span<std::byte> fresh) noexcept {
  const std::uint64_t large = large_page_bytes();
  if (large == 0) return;
  const std::uint64_t end = fresh.size() / large * large;
  for (std::uint64_t at = 0; at < end;) {
    const auto piece = fresh.subspan(at, std::min(end - at, up_to(piece_bytes, large)));
    if (madvise(piece.data(), piece.size(), MADV_REMOVE) != 0) return;
    for (std::uint64_t page = 0; page < piece.size(); page += large)
      if (madvise(&piece[page], page_bytes(), MADV_POPULATE_WRITE) != 0) return;
    if (madvise(piece.data(), piece.size(), collapse) != 0) return;
    at += piece.size();
  }
}

}  // namespace holdfast
