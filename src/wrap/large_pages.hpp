#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace holdfast {

/// Pages of this process, owned and unmapped by an object. The system gives them in the order of the addresses, so a large page
/// is one piece of memory to a disk, where small ones are as many as there are (docs/decisions/0020-large-pages.md).
class Pages {
 public:
  Pages() = default;
  Pages(Pages&& other) noexcept;
  Pages& operator=(Pages&& other) noexcept;
  ~Pages();

  /// Private memory, zeroed, beginning where a large page may, and on large pages where the system has and allows them. Throws
  /// std::bad_alloc.
  [[nodiscard]] static Pages allocate(std::uint64_t bytes);
  /// A second mapping of the same shared memory, beginning where a large page may: a mapping that somebody else made rarely
  /// does. `shared` begins at a page, is mapped MAP_SHARED, and may be unmapped before. Empty where the system refuses.
  [[nodiscard]] static Pages view(std::span<std::byte> shared) noexcept;

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::byte* data() const noexcept { return bytes_.data(); }
  explicit operator bool() const noexcept { return !bytes_.empty(); }

 private:
  explicit Pages(std::span<std::byte> bytes) noexcept : bytes_(bytes) {}

  std::span<std::byte> bytes_;
};

/// Gives shared memory large pages, as far as the system does, and whatever its default for shared memory is (MADV_COLLAPSE,
/// Linux 6.1). For memory that nobody uses yet: its content is lost. `fresh` begins where a large page may, in memory and in what
/// is mapped. Where the system refuses, pages are small, and come when they are used.
void lay_on_large_pages(std::span<std::byte> fresh) noexcept;

}  // namespace holdfast
