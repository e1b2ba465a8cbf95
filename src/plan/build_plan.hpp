#pragma once

#include "plan/local.hpp"
#include "plan/plan.hpp"
#include "plan/rounds.hpp"
#include "wrap/mpi_grid.hpp"

namespace holdfast::plan {

/// Makes the global plan. Collective. Disagreements between ranks, and what a
/// rank fails with before the allreduce of step 3, are thrown as the same Error on all ranks. A later failure is left
/// in `work`, and the plan is not usable then: the caller has more to do before the plan is used, and lets all ranks
/// agree on both. The work is spread over the ranks by hash, and what many ranks say about the same thing is united on
/// the way. So no rank has much more to do than the others, however many ranks share a tensor.
///
/// rounds.hpp has what a rank does between the messages, docs/scale.md what all of it costs.
///
/// 1. Items go to the ranks that their own bytes name, so that replicas meet (replicas.hpp).
/// 2. A few numbers about each name are added up. They show whether the ranks agree on the name and cover it exactly. A
///    conflict anywhere is explained and thrown everywhere. The answers are the places of per-rank values
///    (name_summary.hpp).
/// 3. The bytes that only one rank can save are summed per rank (allreduce). All other shares are assigned on top of
///    these.
/// 4. Each rank gets its pieces and places them in its arena.
[[nodiscard]] RankPlan build_plan(const mpi::Grid& grid, const LocalPlan& local, std::uint64_t plan_id,
                                  mpi::LocalWork& work, const HolderChoice& saved_by = {});

}  // namespace holdfast::plan
