#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace holdfast {

/// Owns mapped pages of this process and unmaps them. A large page is contiguous in physical memory, so a disk
/// transfers it as one segment, where small pages are one segment each (docs/decisions/0020-large-pages.md).
class Pages {
 public:
  Pages() = default;
  Pages(Pages&& other) noexcept;
  Pages& operator=(Pages&& other) noexcept;
  ~Pages();

  /// Maps private memory: zeroed, aligned to large pages, and on large pages if the system has and allows them. Throws
  /// std::bad_alloc.
  [[nodiscard]] static Pages allocate(std::uint64_t bytes);
  /// Maps shared memory a second time, aligned to large pages, which a mapping made elsewhere rarely is. `shared` must
  /// begin at a page and be mapped MAP_SHARED; it may be unmapped before this object. Empty if the system refuses.
  [[nodiscard]] static Pages view(std::span<std::byte> shared) noexcept;

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::byte* data() const noexcept { return bytes_.data(); }
  explicit operator bool() const noexcept { return !bytes_.empty(); }

 private:
  explicit Pages(std::span<std::byte> bytes) noexcept : bytes_(bytes) {}

  std::span<std::byte> bytes_;
};

/// Backs shared memory with large pages, whatever the system's default for shared memory is (MADV_COLLAPSE, Linux 6.1).
/// The memory must not be in use yet: its content is lost. `fresh` must be aligned to large pages, in memory and in the
/// mapped file. If the system refuses, pages are small and appear at first use.
void lay_on_large_pages(std::span<std::byte> fresh) noexcept;

}  // namespace holdfast
