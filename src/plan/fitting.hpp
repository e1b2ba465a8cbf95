#pragma once

#include <cstdint>

/// How the arenas of a plan fit into a node's memory. Pure.
namespace holdfast::plan {

/// Bytes that the next save needs for its arena, and that arenas take. Of one rank, or summed over a node's ranks.
struct Demand {
  std::uint64_t exact = 0;       ///< an arena as large as the plan
  std::uint64_t kept = 0;        ///< the save's own arena; a larger one is kept
  std::uint64_t roomy = 0;       ///< as `kept`, with head room where the arena has to grow
  std::uint64_t held = 0;        ///< both arenas now
  std::uint64_t other = 0;       ///< the other arena now
  std::uint64_t other_kept = 0;  ///< the other arena after its next save; a larger one is kept
};

/// `held` and `other` are the bytes that the save's own arena and the rank's other arena take now; 0 without an arena.
[[nodiscard]] Demand demand_of(std::uint64_t exact, std::uint64_t held, std::uint64_t other) noexcept;

/// The size that the save's own arena gets.
enum class ArenaSize { exact, kept, roomy };

/// What is done with the arenas of a node.
struct Fitting {
  bool other_in_the_way = false;  ///< the other arena must go before this save can get its own
  bool close_other = false;       ///< the other arena is given back: there is no room for it, or it cannot be used
  ArenaSize size = ArenaSize::exact;
};

/// How many arenas per rank fit: 2, 1, or 0 where a save goes through one arena in waves. `limit` is the bytes for all
/// arenas of the node.
[[nodiscard]] int arenas_that_fit(const Demand& node, std::uint64_t limit) noexcept;

/// Decides for one node. `arenas` is what all nodes have room for (arenas_that_fit()). With `other_busy` a save in
/// flight is in the other arena, which cannot be given back. Head room is given only where as many arenas fit with it
/// as without.
[[nodiscard]] Fitting fit(const Demand& node, std::uint64_t limit, int arenas, bool other_busy) noexcept;

[[nodiscard]] std::uint64_t bytes_of(const Demand& rank, ArenaSize size) noexcept;

}  // namespace holdfast::plan
