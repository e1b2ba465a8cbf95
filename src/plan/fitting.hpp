#pragma once

#include <cstdint>

/// How the arenas of a plan fit into a node's memory. Pure.
namespace holdfast::plan {

/// What the next save wants for its arena, and what arenas take: one rank's, or the sums over a node's ranks. In bytes.
struct Demand {
  std::uint64_t exact = 0;       ///< an arena as large as the plan takes
  std::uint64_t kept = 0;        ///< the save's own arena, where one that is larger stays
  std::uint64_t roomy = 0;       ///< the same, with head room where it has to grow
  std::uint64_t held = 0;        ///< both arenas as they are
  std::uint64_t other = 0;       ///< the other one as it is
  std::uint64_t other_kept = 0;  ///< the same after its turn, where one that is larger stays
};

/// `held` and `other` are what the two arenas of a rank take now; 0 for one that is not there.
[[nodiscard]] Demand demand_of(std::uint64_t exact, std::uint64_t held, std::uint64_t other) noexcept;

/// How large the save's own arena becomes.
enum class ArenaSize { exact, kept, roomy };

/// What is done on a node.
struct Fitting {
  bool other_in_the_way = false;  ///< the other arena has to go before this save can have its own
  bool close_other = false;       ///< the other arena is given back: it is larger than there is room for, or cannot be used
  ArenaSize size = ArenaSize::exact;
};

/// Two, one, or 0: a save goes through one arena in waves. `limit` is for all arenas of the node.
[[nodiscard]] int arenas_that_fit(const Demand& node, std::uint64_t limit) noexcept;

/// `arenas`: what all nodes have room for. `other_busy`: a save in flight is in the other arena, which cannot be given back. Head
/// room is given only where as many arenas as before fit with it.
[[nodiscard]] Fitting fit(const Demand& node, std::uint64_t limit, int arenas, bool other_busy) noexcept;

[[nodiscard]] std::uint64_t bytes_of(const Demand& rank, ArenaSize size) noexcept;

}  // namespace holdfast::plan
