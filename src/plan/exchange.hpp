#pragma once

#include "plan/local.hpp"
#include "plan/plan.hpp"
#include "wrap/mpi_grid.hpp"

namespace holdfast::plan {

/// Makes the global plan. Collective; the only file of plan/ that communicates. Throws the same Error on all ranks where they
/// disagree, and what one fails with by itself before they have agreed; what comes later is left in `work`, and the plan is worth
/// nothing then: the caller, who has more to do before it is used, lets all agree on both. The work is spread over the ranks by
/// hash, and what many ranks have to say of the same thing is united on its way, so that no rank has much more to do than others,
/// whatever is shared by how many.
///
/// What a rank does between the messages is in rounds.hpp; what all of it costs, in docs/scale.md.
///
/// 1. items go where their own bytes say, so that replicas meet (replicas.hpp)
/// 2. a few numbers about each name are added up, and show whether ranks agree on it and cover it exactly; a conflict anywhere is
///    explained and thrown everywhere. The numbers go back as the places of per-rank values (tally.hpp)
/// 3. the bytes that only one rank can save are summed per rank (allreduce), the others assigned upon that
/// 4. each rank gets its pieces and places them in its arena
[[nodiscard]] RankPlan exchange(const mpi::Grid& grid, const LocalPlan& local, std::uint64_t plan_id, mpi::LocalWork& work);

}  // namespace holdfast::plan
