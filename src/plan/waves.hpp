#pragma once

#include <span>
#include <string>

#include "plan/plan.hpp"

namespace holdfast::plan {

/// The memory that a rank has for an arena.
struct Window {
  std::uint64_t bytes = 0;
  std::string limit;  ///< what sets this limit, in words, for errors
};

/// Places a rank's pieces in an arena no larger than the window, which is filled and emptied several times in one save.
/// Every piece gets its wave and its offset in the arena. Values go in the first wave, since they are copied when a
/// save begins. Tensors that are large for the arena are cut into slabs. `items` are the rank's own. Pure. Throws
/// Error(out_of_memory) for what cannot be cut and does not fit, for values that exceed the first wave, and for more
/// than a thousand waves. Returns the number of waves, at least one, and sets plan.arena_bytes to the bytes of the
/// largest wave.
std::uint32_t place_in_waves(RankPlan& plan, std::span<const Item> items, const Window& window);

}  // namespace holdfast::plan
