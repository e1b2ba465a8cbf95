#include "transport/arena.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <new>
#include <optional>

#include "base/error_text.hpp"
#include "base/memory_limit.hpp"
#include "base/shared_memory.hpp"
#include "wrap/large_pages.hpp"

namespace holdfast::transport {
namespace {

/// Bytes of one put. Between two puts the deadline and the lifeline are checked, and other threads get their turn.
constexpr std::uint64_t piece_bytes = 16 << 20;

/// The rank's handle of the helper's memory. Constructor and destructor use the channel, so they lock it.
class HelperMemory {
 public:
  HelperMemory(std::shared_ptr<SharedChannel> channel, const ArenaReady& ready)
      : channel_(std::move(channel)), bytes_(ready.bytes) {
    require_addresses(bytes_, "the helper's arena");
    channel_->with_channel(
        [&](const Channel& mine) { memory_.emplace(mine.endpoint(), ready.remote_key, ready.address); });
  }
  ~HelperMemory() {
    channel_->with_channel([&](const Channel&) { memory_.reset(); });
  }
  HelperMemory(const HelperMemory&) = delete;
  HelperMemory& operator=(const HelperMemory&) = delete;

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::span<std::byte> mapped() {
    std::byte* first = channel_->with_channel([&](const Channel&) { return memory_->pointer(); });
    return first == nullptr ? std::span<std::byte>{} : std::span(first, bytes_);
  }
  void put(std::span<const std::byte> bytes, Deadline deadline) {
    for (std::uint64_t at = 0; at < bytes.size(); at += piece_bytes) {
      const auto piece = bytes.subspan(at, std::min(piece_bytes, bytes.size() - at));
      channel_->complete("a part of an arena", deadline, [&](const Channel&) { return memory_->put(piece, at); });
    }
    channel_->complete("an arena", deadline, [](const Channel& channel) { return channel.endpoint()->flush(); });
  }

 private:
  std::shared_ptr<SharedChannel> channel_;
  std::uint64_t bytes_;
  std::optional<ucx::RemoteMemory> memory_;
};

void require_inside(std::uint64_t bytes, std::span<const std::byte> memory) {
  if (bytes > memory.size())
    throw Error(ErrorCode::invalid_argument, fmt::format("{} bytes are more than the arena's {}", bytes, memory.size()),
                {.host = host_name()});
}

class MappedArena final : public Arena {
 public:
  /// `view` is empty or contains `memory`.
  MappedArena(std::unique_ptr<HelperMemory> helper, Pages view, std::span<std::byte> memory)
      : helper_(std::move(helper)), view_(std::move(view)), memory_(memory) {}
  [[nodiscard]] std::span<std::byte> memory() const noexcept override { return memory_; }
  /// The bytes are in place already. The fence orders them before what is sent afterwards.
  void deliver(std::uint64_t bytes, Deadline /*deadline*/) override {
    require_inside(bytes, memory_);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }

 private:
  std::unique_ptr<HelperMemory> helper_;
  Pages view_;
  std::span<std::byte> memory_;
};

Pages private_pages(std::uint64_t bytes) try {
  return bytes == 0 ? Pages() : Pages::allocate(bytes);
} catch (const std::bad_alloc&) {
  throw Error(ErrorCode::out_of_memory, fmt::format("{} bytes for an arena: {}", bytes, errno_text(ENOMEM)),
              {.host = host_name()});
}

class PrivateArena final : public Arena {
 public:
  explicit PrivateArena(std::unique_ptr<HelperMemory> helper)
      : pages_(private_pages(helper->bytes())), helper_(std::move(helper)) {}
  [[nodiscard]] std::span<std::byte> memory() const noexcept override { return pages_.bytes().first(helper_->bytes()); }
  void deliver(std::uint64_t bytes, Deadline deadline) override {
    require_inside(bytes, memory());
    helper_->put(memory().first(bytes), deadline);
  }

 private:
  Pages pages_;
  std::unique_ptr<HelperMemory> helper_;
};

}  // namespace

std::unique_ptr<Arena> map_arena(std::shared_ptr<SharedChannel> channel, const ArenaReady& ready) {
  auto helper = std::make_unique<HelperMemory>(std::move(channel), ready);
  std::span<std::byte> memory = helper->mapped();
  if (memory.data() == nullptr) return nullptr;
  Pages view = Pages::view(memory);
  if (view) memory = view.bytes().first(memory.size());
  fault_in(memory);
  return std::make_unique<MappedArena>(std::move(helper), std::move(view), memory);
}

std::unique_ptr<Arena> private_arena(std::shared_ptr<SharedChannel> channel, const ArenaReady& ready) {
  require_memory(ready.bytes, "an arena of a rank's own");
  auto arena = std::make_unique<PrivateArena>(std::make_unique<HelperMemory>(std::move(channel), ready));
  fault_in(arena->memory());
  return arena;
}

}  // namespace holdfast::transport
