#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/codec.hpp"
#include "plan/plan.hpp"

/// How replicas find each other. Every item goes to the rank that its own bytes name. Wherever equal items meet on the
/// way, they go on as one item with a list of its holders. So an item arrives once, with eight bytes for each holder.
/// Items travel in batches, which a grid carries (wrap/mpi_grid.hpp). Pure.
namespace holdfast::plan {

struct Holder {
  std::int32_t rank = -1;
  std::uint32_t item = 0;  ///< position in that rank's list of items

  bool operator==(const Holder&) const = default;
};

/// An item and all ranks that hold an equal one.
struct HeldItem {
  Item item;
  std::vector<Holder> holders;  ///< ascending by rank
};

/// Packs a rank's own items, all but per-rank values, into a batch. Empty boxes are equal wherever they lie.
[[nodiscard]] Bytes pack_items(std::span<const Item> items, int rank);

/// Unites batches, and groups their items by next hop: one batch for each of `peers`. `next_hop` gives the batch for
/// the rank that an item goes to. Equal items become one, at the position of the first, with holders in the order of
/// the batches.
[[nodiscard]] std::vector<Bytes> unite(const std::vector<Bytes>& batches, int ranks, int peers,
                                       const std::function<int(int rank)>& next_hop);

/// Throws Error(communication) for bytes that are not a batch.
[[nodiscard]] std::vector<HeldItem> unpack_items(std::span<const std::byte> batch);

}  // namespace holdfast::plan
