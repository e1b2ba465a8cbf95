#include "plan/exchange.hpp"

#include <array>

#include "plan/merge.hpp"
#include "plan/rounds.hpp"

namespace holdfast::plan {
namespace {

void add_totals(const mpi::Communicator& comm, const Merged& merged, RankPlan& plan) {
  std::array<std::uint64_t, 2> totals{0, merged.datasets.size()};
  for (const Share& share : merged.shares) totals[0] += share.bytes;
  comm.allreduce(totals, MPI_SUM);
  plan.total_bytes = totals[0];
  plan.dataset_count = totals[1];
}

}  // namespace

RankPlan exchange(const mpi::Grid& grid, const LocalPlan& local, std::uint64_t plan_id) {
  const mpi::Communicator& comm = grid.comm();
  std::vector<Parcel> out;
  mpi::all_or_none(comm, [&] { out = items_for_owners(local.items, comm.size()); });
  std::vector<Parcel> in = grid.deliver(out);
  Merged merged;
  mpi::all_or_none(comm, [&] { merged = merge(items_from_ranks(in)); });

  std::vector<std::uint64_t> load = fixed_load(merged, comm.size());
  comm.allreduce(load, MPI_SUM);

  mpi::all_or_none(comm, [&] { out = pieces_for_ranks(merged, std::move(load), comm.rank()); });
  in = grid.deliver(out);
  RankPlan plan{.id = plan_id, .owned = {}, .pieces = {}};
  mpi::all_or_none(comm, [&] { take_pieces(plan, in); });
  add_totals(comm, merged, plan);
  plan.owned = std::move(merged.datasets);
  return plan;
}

}  // namespace holdfast::plan
