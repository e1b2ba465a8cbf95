#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "transport/messages.hpp"

namespace holdfast::transport {

/// Free one arena and make another. The caller chooses the numbers and uses none twice.
struct ArenaWish {
  std::uint64_t old = 0;  ///< 0: none
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;  ///< 0: make none
};

/// The result of an ArenaWish.
struct MadeArena {
  std::uint64_t number = 0;
  std::span<std::byte> memory;  ///< empty if no arena was wished, or on error
  ArenaReady ready;             ///< what a rank needs to map it; the caller sets the slot
  std::optional<Error> error;
};

}  // namespace holdfast::transport
