#include "wrap/large_pages.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <new>
#include <string>

#include "support/mappings.hpp"

namespace holdfast {
namespace {

using test::mapped_bytes;
using test::no_large_pages;

constexpr std::uint64_t large = 2 << 20;
constexpr auto marked = std::byte{42};

std::uintptr_t address(const std::byte* at) {
  return reinterpret_cast<std::uintptr_t>(at);
}

/// Shared memory that does not begin where a large page may.
class Shared {
 public:
  explicit Shared(std::uint64_t bytes) : bytes_(bytes) {
    std::byte* at = Pages::allocate(bytes + 2 * large).bytes().data();  // free addresses, from a large page on
    at += sysconf(_SC_PAGESIZE);
    memory_ = static_cast<std::byte*>(
        mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
  }
  ~Shared() { unmap(); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  void unmap() {
    if (memory_ != nullptr) munmap(memory_, bytes_);
    memory_ = nullptr;
  }
  [[nodiscard]] std::span<std::byte> span() const { return {memory_, bytes_}; }

 private:
  std::byte* memory_ = nullptr;
  std::uint64_t bytes_;
};

TEST(Pages, AreZeroedAndBeginWhereALargePageMay) {
  const Pages pages = Pages::allocate(3 * large + 5);
  EXPECT_GE(pages.bytes().size(), 3 * large + 5);
  EXPECT_EQ(address(pages.data()) % large, 0U);
  EXPECT_TRUE(std::ranges::all_of(pages.bytes(), [](std::byte b) { return b == std::byte{}; }));
  pages.bytes().back() = marked;
}

TEST(Pages, AreUnmappedOnce) {
  Pages pages = Pages::allocate(large);
  std::byte* const at = pages.data();
  Pages moved = std::move(pages);
  EXPECT_EQ(moved.data(), at);
  moved = Pages();
  EXPECT_EQ(mapped_bytes(at, "Size"), -1);
}

TEST(Pages, ThrowWhenThereAreNone) {
  EXPECT_THROW(static_cast<void>(Pages::allocate(std::numeric_limits<std::uint64_t>::max() / 4)), std::bad_alloc);
}

TEST(PagesView, HasTheSameBytesAtALargePage) {
  Shared shared(4 * large);
  ASSERT_NE(address(shared.span().data()) % large, 0U);
  const Pages view = Pages::view(shared.span());
  ASSERT_TRUE(view);
  EXPECT_EQ(view.bytes().size(), shared.span().size());
  EXPECT_EQ(address(view.data()) % large, 0U);
  shared.span().front() = shared.span()[3 * large + 7] = marked;
  EXPECT_EQ(view.bytes().front(), marked);
  EXPECT_EQ(view.bytes()[3 * large + 7], marked);
  view.bytes()[large] = marked;
  EXPECT_EQ(shared.span()[large], marked);
}

TEST(PagesView, OutlivesTheMappingItWasMadeFrom) {
  Shared shared(large);
  shared.span().back() = marked;
  const Pages view = Pages::view(shared.span());
  shared.unmap();
  EXPECT_EQ(view.bytes().back(), marked);
}

TEST(PagesView, IsEmptyForMemoryThatIsNotShared) {
  const Pages pages = Pages::allocate(large);
  EXPECT_FALSE(Pages::view(pages.bytes()));
}

TEST(LargePages, AreSeenByAllWhoMapThem) {
  Shared shared(3 * large + 4096);
  std::ranges::fill(shared.span(), std::byte{1});
  const Pages view = Pages::view(shared.span());
  lay_on_large_pages(view.bytes());
  std::ranges::fill(view.bytes(), marked);
  EXPECT_EQ(std::ranges::count(shared.span(), marked), static_cast<std::ptrdiff_t>(shared.span().size()));
}

TEST(LargePages, AreTakenForSharedMemory) {
  if (const std::string reason = no_large_pages(); !reason.empty()) GTEST_SKIP() << reason;
  const Shared shared(4 * large);
  const Pages view = Pages::view(shared.span());
  lay_on_large_pages(view.bytes());
  EXPECT_EQ(mapped_bytes(view.data(), "ShmemPmdMapped"), 4 * large);
}

}  // namespace
}  // namespace holdfast
