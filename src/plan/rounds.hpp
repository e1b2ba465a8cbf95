#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/parcel.hpp"
#include "plan/merge.hpp"
#include "plan/plan.hpp"

/// What a rank does between the messages of a new plan, in the order of exchange.hpp. Pure, so that one process can play the
/// ranks of a job that no machine at hand could run (benchmarks/plan_bench.cpp, docs/scale.md).
namespace holdfast::plan {

/// The rank that plans what has this name: XXH3(name) mod ranks.
[[nodiscard]] int owner_of(std::string_view name, int ranks) noexcept;

/// A rank's items, and the parents of their names as Kind::group, for the owners of these names.
[[nodiscard]] std::vector<Parcel> items_for_owners(const std::vector<Item>& items, int ranks);
/// What an owner got.
[[nodiscard]] std::vector<RankItem> items_from_ranks(const std::vector<Parcel>& in);

/// For each rank the bytes that it saves in any case, as far as this owner knows.
[[nodiscard]] std::vector<std::uint64_t> fixed_load(const Merged& merged, int ranks);

/// Assigns upon `load`, all owners' loads together; each rank's pieces.
[[nodiscard]] std::vector<Parcel> pieces_for_ranks(const Merged& merged, std::vector<std::uint64_t> load, int owner);
/// What a rank saves, placed in its arena: fills in the plan's pieces and sizes.
void take_pieces(RankPlan& plan, const std::vector<Parcel>& in);

}  // namespace holdfast::plan
