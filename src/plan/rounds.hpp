#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/parcel.hpp"
#include "plan/assign.hpp"
#include "plan/plan.hpp"
#include "plan/replicas.hpp"
#include "plan/tally.hpp"

/// What a rank does between the messages of a new plan, in the order of exchange.hpp. Pure, so that one process can play the
/// ranks of a job that no machine at hand could run (benchmarks/plan_bench.cpp, docs/scale.md).
namespace holdfast::plan {

/// What a rank knows to say about names: its per-rank values, in the order of the items, then the groups that its items lie in,
/// and the items that it met replicas of.
[[nodiscard]] std::vector<Tally> tallies_of(std::span<const Item> items, std::span<const HeldItem> held);

/// The different boxes that are not empty.
[[nodiscard]] std::vector<Share> shares_of(std::span<const HeldItem> held);

/// Adds for each rank the bytes that it saves in any case, as far as this one knows: what nobody else holds, and its per-rank
/// values.
void add_fixed_load(std::span<const Share> shares, std::span<const Item> items, int rank, std::span<std::uint64_t> load);

/// Assigns upon `load`, all ranks' loads together; each rank's pieces.
[[nodiscard]] std::vector<Parcel> pieces_for_ranks(const std::vector<Share>& shares, std::vector<std::uint64_t> load, int rank);

/// Of the items that this rank met replicas of those whose box begins where the dataset does, and of its per-rank values those
/// that no lower rank has: so each dataset has one rank that defines it. `answers` belong to the tallies.
[[nodiscard]] std::vector<Dataset> definitions(std::span<const Item> items, std::span<const HeldItem> held,
                                               std::span<const CountAnswer> answers);

/// What a rank saves, placed in its arena: fills in the plan's pieces and sizes.
void take_pieces(RankPlan& plan, const std::vector<Parcel>& in, std::span<const Item> items,
                 std::span<const CountAnswer> answers);

/// What explain_conflict() wants of this rank: its items of that key, and marks of groups.
[[nodiscard]] std::vector<Item> items_of_key(std::span<const Item> items, std::uint64_t key);

}  // namespace holdfast::plan
