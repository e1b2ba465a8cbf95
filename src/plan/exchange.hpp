#pragma once

#include "plan/local.hpp"
#include "plan/plan.hpp"
#include "wrap/mpi_grid.hpp"

namespace holdfast::plan {

/// Makes the global plan. Collective; the only file of plan/ that communicates. Names are spread over the ranks by hash;
/// each rank merges what it owns. Throws the same Error on all ranks where they disagree.
///
/// What a rank does between the messages is in rounds.hpp; what all of it costs, in docs/scale.md.
///
/// 1. every rank sends each item (and each parent of its name, as Kind::group) to the rank that owns the name
/// 2. owners merge; a conflict anywhere is thrown everywhere
/// 3. the bytes that only one rank can save are summed per rank (allreduce), the others assigned upon that
/// 4. owners send each rank its pieces; each rank places them in its arena
[[nodiscard]] RankPlan exchange(const mpi::Grid& grid, const LocalPlan& local, std::uint64_t plan_id);

}  // namespace holdfast::plan
