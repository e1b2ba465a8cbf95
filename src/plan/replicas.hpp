#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/codec.hpp"
#include "plan/plan.hpp"

/// How replicas find each other: every item goes to the rank that its own bytes name, and on the way, wherever two that are alike
/// meet, they go on as one, with a list of who holds it. So what arrives anywhere is an item once, and eight bytes for each
/// holder. Items travel in bags; a grid carries those (wrap/mpi_grid.hpp). Pure.
namespace holdfast::plan {

struct Holder {
  std::int32_t rank = -1;
  std::uint32_t item = 0;  ///< position in that rank's list

  bool operator==(const Holder&) const = default;
};

/// An item and all ranks that hold exactly this one.
struct HeldItem {
  Item item;
  std::vector<Holder> holders;  ///< by rank
};

/// A rank's own items in a bag, all but per-rank values. Boxes of no elements are alike wherever they lie.
[[nodiscard]] Bytes pack_items(std::span<const Item> items, int rank);

/// What is in the bags, in one bag for each of `places`: `place_of` says it of the rank that an item goes to. Items that are
/// alike become one, where the first of them came, with holders in the order of the bags.
[[nodiscard]] std::vector<Bytes> unite(const std::vector<Bytes>& bags, int ranks, int places,
                                       const std::function<int(int rank)>& place_of);

/// Throws Error(communication) for what is no bag.
[[nodiscard]] std::vector<HeldItem> unpack_items(std::span<const std::byte> bag);

}  // namespace holdfast::plan
