#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/rank_message.hpp"
#include "plan/assign.hpp"
#include "plan/name_summary.hpp"
#include "plan/plan.hpp"
#include "plan/replicas.hpp"

/// What a rank does between the messages of a new plan, in the order of build_plan.hpp. Pure, so that one process can
/// simulate the ranks of a job that no machine at hand could run (benchmarks/plan_bench.cpp, docs/scale.md).
///
/// `held` are the items that arrived at this rank, each with its holders.
namespace holdfast::plan {

/// A rank's summaries: of its per-rank values, in the order of the items, then of the groups that its items lie in,
/// then of the held items.
[[nodiscard]] std::vector<NameSummary> summaries_of(std::span<const Item> items, std::span<const HeldItem> held);

/// SavePlanner::saved_by.
using HolderChoice = std::function<int(const std::string& name, std::span<const int> holders)>;
/// One share for each held item whose box is not empty. Where `saved_by` is given, a share has the holder that it
/// chooses; throws Error(invalid_argument) for a rank that is no holder.
[[nodiscard]] std::vector<Share> shares_of(std::span<const HeldItem> held, const HolderChoice& saved_by = {});

/// Adds to `load` the bytes that each rank saves in any case, as far as this rank knows: shares with one holder, and
/// its own per-rank values.
void add_fixed_load(std::span<const Share> shares, std::span<const Item> items, int rank,
                    std::span<std::uint64_t> load);

/// Assigns the shares. `load` is the sum of all ranks' fixed loads. Returns the encoded pieces for each rank that gets
/// any.
[[nodiscard]] std::vector<RankMessage> pieces_for_ranks(const std::vector<Share>& shares,
                                                        std::vector<std::uint64_t> load, int rank);

/// The datasets that this rank defines, so that each dataset has one rank that defines it: of the held items those
/// whose box begins where the dataset does, and of its per-rank values those that no lower rank has. `answers` are in
/// the order of summaries_of().
[[nodiscard]] std::vector<Dataset> definitions(std::span<const Item> items, std::span<const HeldItem> held,
                                               std::span<const CountAnswer> answers);

/// Fills in the plan's pieces, placed in the arena, and its sizes.
void take_pieces(RankPlan& plan, const std::vector<RankMessage>& in, std::span<const Item> items,
                 std::span<const CountAnswer> answers);

/// This rank's items of the key for explain_conflict(), and marks of the groups that have it.
[[nodiscard]] std::vector<Item> items_of_key(std::span<const Item> items, std::uint64_t key);

}  // namespace holdfast::plan
