#pragma once

#include <span>
#include <string>

#include "plan/plan.hpp"

namespace holdfast::plan {

/// The memory that a rank has for an arena.
struct Window {
  std::uint64_t bytes = 0;
  std::string limit;  ///< what allows no more, in words, for errors
};

/// Places a rank's pieces in an arena that is no larger than the window, which is filled and emptied several times in one save: every
/// piece gets the wave that it goes in, and its offset in the arena. What is no tensor goes in the first wave, since values are
/// copied when a save begins. Tensors that are large for the arena are cut into slabs. `items` are the rank's own. Pure. Throws
/// Error(out_of_memory) for what cannot be cut and does not fit, and where there would be more than a thousand waves. Returns how
/// many waves there are, at least one, and sets plan.arena_bytes to what the largest takes.
std::uint32_t place_in_waves(RankPlan& plan, std::span<const Item> items, const Window& window);

}  // namespace holdfast::plan
