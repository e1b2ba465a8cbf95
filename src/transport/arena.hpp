#pragma once

#include <memory>

#include "transport/connection.hpp"
#include "transport/shared_channel.hpp"

namespace holdfast::transport {

/// Maps the helper's memory into this process. Returns nullptr where that cannot be done.
[[nodiscard]] std::unique_ptr<Arena> map_arena(std::shared_ptr<SharedChannel> channel, const ArenaReady& ready);

/// Allocates memory of this process. Its deliver() sends the bytes to the helper's memory (ucp_put).
[[nodiscard]] std::unique_ptr<Arena> private_arena(std::shared_ptr<SharedChannel> channel, const ArenaReady& ready);

}  // namespace holdfast::transport
