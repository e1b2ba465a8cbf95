#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "transport/messages.hpp"

namespace holdfast::transport {

/// Free one arena and make another. Their numbers are the caller's, who uses none twice.
struct ArenaWish {
  std::uint64_t old = 0;  ///< 0: none
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;  ///< 0: make none
};

/// What became of a wish.
struct MadeArena {
  std::uint64_t number = 0;
  std::span<std::byte> memory;  ///< empty if none was wished, or it could not be made
  ArenaReady ready;             ///< what a rank needs to reach it (the slot is the caller's)
  std::optional<Error> error;
};

}  // namespace holdfast::transport
