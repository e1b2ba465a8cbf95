#include "transport/arena_maker.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>

#include "base/error_text.hpp"
#include "base/memory_limit.hpp"
#include "base/shared_memory.hpp"
#include "transport/arena_directory.hpp"

namespace holdfast::transport {
namespace {

/// Bytes of a memory limit that stay free for serving and writing when an arena is made.
constexpr std::uint64_t reserve_bytes = 16 << 20;
/// 1/reserve_part of the node's free shared memory stays for other users, such as MPI, but at most reserve_bytes.
constexpr std::uint64_t reserve_part = 8;

}  // namespace

ArenaMaker::ArenaMaker(std::filesystem::path directory)
    : directory_(std::move(directory)), event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!event_) throw Error(ErrorCode::launch, fmt::format("eventfd: {}", errno_text(errno)), {.host = host_name()});
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

ArenaMaker::~ArenaMaker() {
  thread_.request_stop();
  wishes_.push(std::nullopt);
}

std::uint64_t ArenaMaker::room() {
  const std::uint64_t free = free_shared_memory();
  const std::uint64_t shared = free - std::min(free / reserve_part, reserve_bytes);
  const auto limit = memory_limit();
  return limit ? std::min(shared, limit->left_bytes - std::min(limit->left_bytes, reserve_bytes)) : shared;
}

void ArenaMaker::run(const std::stop_token& stop) {
  for (auto wish = wishes_.pop(); wish && !stop.stop_requested(); wish = wishes_.pop()) {
    made_.push(fulfil(*wish));
    eventfd_write(event_.get(), 1);
  }
}

MadeArena ArenaMaker::fulfil(const ArenaWish& wish) {
  MadeArena made{.number = wish.number, .memory = {}, .ready = {.remote_key = {}}, .error = {}};
  arenas_.erase(wish.old);
  if (wish.bytes == 0) return made;
  try {
    make(wish.bytes, made);
  } catch (...) {
    made.error = current_error();
  }
  return made;
}

/// UCX's own mapping may begin where no large page can, so a second one is preferred. Without it, UCX's own serves.
void ArenaMaker::make(std::uint64_t bytes, MadeArena& made) {
  require_shared_memory(bytes, "an arena");
  require_addresses(bytes, "an arena");
  require_memory(bytes + reserve_bytes, "an arena, with what the helper needs beside it,");
  OwnedArena lent{.memory = allocate(bytes), .view = {}};
  std::span<std::byte> all = lent.memory->span();
  const auto address = reinterpret_cast<std::uint64_t>(all.data());
  lent.view = Pages::view(all);
  if (lent.view) {
    all = lent.view.bytes();
    lay_on_large_pages(all);
  }
  fault_in(all);
  made.memory = all.first(bytes);
  made.ready = {.slot = 0, .bytes = bytes, .arena = made.number, .address = address, .remote_key = lent.memory->key()};
  arenas_.emplace(made.number, std::move(lent));
}

std::unique_ptr<ucx::Memory> ArenaMaker::allocate(std::uint64_t bytes) {
  const ArenaDirectory directory(directory_);
  if (!context_) context_ = std::make_shared<const ucx::Context>(directory_.string());
  const std::jthread hiding([&](const std::stop_token& stop) { directory.hide_memory(stop); });
  try {
    return std::make_unique<ucx::Memory>(context_, bytes);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("an arena of {} bytes cannot be made: {}", bytes, error.message()),
                error.context());
  }
}

}  // namespace holdfast::transport
