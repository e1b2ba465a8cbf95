#pragma once

#include <memory>

#include "transport/connection.hpp"
#include "transport/wire.hpp"

namespace holdfast::transport {

/// The helper's memory, mapped into this process; nullptr where that cannot be done.
[[nodiscard]] std::unique_ptr<Arena> map_arena(std::shared_ptr<Wire> wire, const ArenaReady& ready);

/// Memory of this process, which deliver() puts into the helper's.
[[nodiscard]] std::unique_ptr<Arena> private_arena(std::shared_ptr<Wire> wire, const ArenaReady& ready);

}  // namespace holdfast::transport
