#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "base/mailbox.hpp"
#include "base/unique_handle.hpp"
#include "transport/arena_wish.hpp"
#include "wrap/large_pages.hpp"
#include "wrap/ucx.hpp"

namespace holdfast::transport {

/// Makes and frees arenas in a thread of its own: a large one takes seconds, and the serving thread has to answer ranks
/// meanwhile. Wishes are done in order. No other thread uses its UCX context.
class ArenaMaker {
 public:
  /// `directory` is where UCX names memory while it makes it (ArenaDirectory).
  explicit ArenaMaker(std::filesystem::path directory);
  ArenaMaker(const ArenaMaker&) = delete;
  ArenaMaker& operator=(const ArenaMaker&) = delete;
  /// Waits for an arena that is being made, forgets wishes that are not begun, and frees all arenas.
  ~ArenaMaker();

  /// Returns the bytes that further arenas may take: the lesser of what the node's shared memory and this process's
  /// control groups leave, less a reserve. Callable from any thread. Throws Error(out_of_memory) where there is no
  /// shared memory.
  [[nodiscard]] static std::uint64_t room();
  void push(const ArenaWish& wish) { wishes_.push(wish); }
  /// Returns the next result, in the order of the wishes; never waits. Call it when event_fd() is readable.
  [[nodiscard]] std::optional<MadeArena> take() { return made_.try_pop(); }
  [[nodiscard]] int event_fd() const noexcept { return event_.get(); }

 private:
  /// Memory that ranks map, and this process's view of it.
  struct OwnedArena {
    std::unique_ptr<ucx::Memory> memory;
    Pages view;
  };

  void run(const std::stop_token& stop);
  MadeArena fulfil(const ArenaWish& wish);
  void make(std::uint64_t bytes, MadeArena& made);
  std::unique_ptr<ucx::Memory> allocate(std::uint64_t bytes);

  const std::filesystem::path directory_;
  const FileDescriptor event_;
  std::shared_ptr<const ucx::Context> context_;
  std::map<std::uint64_t, OwnedArena> arenas_;  ///< by number
  Mailbox<std::optional<ArenaWish>> wishes_;
  Mailbox<MadeArena> made_;
  std::jthread thread_;  // declared last, so that it is joined first
};

}  // namespace holdfast::transport
