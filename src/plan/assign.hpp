#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "plan/plan.hpp"
#include "plan/replicas.hpp"

namespace holdfast::plan {

/// A box of a dataset, and the ranks that hold a copy.
struct Share {
  std::uint64_t dataset = 0;  ///< key_of(name)
  Box box;
  std::uint64_t bytes = 0;
  std::vector<Holder> holders;  ///< ascending by rank
};

/// Chooses the holder that saves each share. A share with one holder goes to that holder. The others go, largest first,
/// to the holder with the least load. A replica larger than `split_bytes` is cut into parts of about that size, but
/// into no more parts than it has holders. `load` holds the bytes that each rank saves in any case (add_fixed_load() of
/// all ranks). `owner` is the calling rank, one of `owners` ranks that assign shares of their own at the same time.
/// Pure and deterministic. Returns the pieces of each rank that has any, without arena offsets.
[[nodiscard]] std::map<int, std::vector<Piece>> assign(const std::vector<Share>& shares,
                                                       std::vector<std::uint64_t> load, int owner, int owners,
                                                       std::uint64_t split_bytes);

/// The arena offset of a piece of `bytes` bytes, in an arena that is filled up to `end`.
[[nodiscard]] std::uint64_t arena_offset_after(std::uint64_t end, std::uint64_t bytes) noexcept;

/// Sorts the pieces by item and box, and sets their arena offsets, aligned as by arena_offset_after(). Returns the
/// bytes of the arena.
std::uint64_t place(std::vector<Piece>& pieces);

}  // namespace holdfast::plan
