#include "plan/exchange.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "base/error_text.hpp"
#include "plan/conflict.hpp"
#include "plan/rounds.hpp"

namespace holdfast::plan {
namespace {

/// Where on the line of a hop what is for a rank goes.
auto place_at(const mpi::Grid& grid, int hop) {
  return [&grid, hop](int rank) { return grid.place_of(rank, hop); };
}

std::vector<HeldItem> meet_replicas(const mpi::Grid& grid, std::span<const Item> items, mpi::LocalWork& work) {
  const int ranks = grid.comm().size();
  std::vector<Bytes> bags(1);
  work([&] { bags.front() = pack_items(items, grid.comm().rank()); });
  for (int hop = 0; hop < grid.hops(); ++hop) {
    std::vector<Bytes> out(static_cast<std::size_t>(grid.side(hop)));
    work([&] { out = unite(bags, ranks, grid.side(hop), place_at(grid, hop)); });
    bags = grid.exchange(hop, out);
  }
  std::vector<HeldItem> held;
  work([&] { held = unpack_items(unite(bags, ranks, 1, [](int) { return 0; }).front()); });
  return held;
}

template <class T>
std::vector<std::vector<T>> exchange_lists(const mpi::Grid& grid, int hop, const std::vector<std::vector<T>>& lists) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::vector<Bytes> out;
  for (const std::vector<T>& list : lists) {
    const auto raw = std::as_bytes(std::span(list));
    out.emplace_back(raw.begin(), raw.end());
  }
  std::vector<std::vector<T>> in;
  for (const Bytes& bytes : grid.exchange(hop, out)) {
    in.emplace_back(bytes.size() / sizeof(T));
    std::ranges::copy(bytes, std::as_writable_bytes(std::span(in.back())).begin());
  }
  return in;
}

/// Throws everywhere what one rank makes of all ranks' items of this key.
[[noreturn]] void explain(const mpi::Grid& grid, std::span<const Item> items, std::uint64_t key) {
  const mpi::Communicator& comm = grid.comm();
  const auto owner = static_cast<int>(key % static_cast<std::uint64_t>(comm.size()));
  std::vector<Parcel> out;
  mpi::all_or_none(comm, [&] { out.push_back({owner, encode(items_of_key(items, key))}); });
  const std::vector<Parcel> in = grid.deliver(out);
  mpi::all_or_none(comm, [&] {
    if (comm.rank() != owner) return;
    std::vector<RankItem> all;
    for (const Parcel& parcel : in)
      for (Item& item : decode<std::vector<Item>>(parcel.bytes)) all.push_back({parcel.rank, std::move(item)});
    explain_conflict(std::move(all));
  });
  throw Error(ErrorCode::internal, "ranks disagree about a conflict");
}

/// The answers to the tallies; none where no rank has a per-rank value.
std::vector<CountAnswer> add_up(const mpi::Grid& grid, std::span<const Item> items, std::vector<Tally> tallies, mpi::LocalWork& work) {
  const int ranks = grid.comm().size();
  const bool asks = std::ranges::any_of(tallies, [](const Tally& tally) { return tally.ranks != 0; });
  std::vector<TallyStop> way;
  way.emplace_back(std::vector<std::vector<Tally>>{std::move(tallies)});
  for (int hop = 0; hop < grid.hops(); ++hop) {
    std::vector<std::vector<Tally>> out(static_cast<std::size_t>(grid.side(hop)));
    work([&] { out = way.back().leave(ranks, grid.side(hop), place_at(grid, hop)); });
    way.emplace_back(exchange_lists(grid, hop, out));
  }
  constexpr auto none = std::numeric_limits<std::uint64_t>::max();
  std::array<std::uint64_t, 3> least{work.error() ? 0U : 1U, way.back().conflict().value_or(none), asks ? 0U : 1U};
  grid.comm().allreduce(least, MPI_MIN);
  const auto [nobody_failed, conflict, nobody_asks] = least;
  if (nobody_failed == 0) mpi::agree(grid.comm(), work.error());
  if (conflict != none) explain(grid, items, conflict);
  if (nobody_asks != 0) return {};
  way.back().answer();
  for (int hop = grid.hops(); hop-- > 0; way.pop_back())
    way[static_cast<std::size_t>(hop)].take(exchange_lists(grid, hop, way.back().answers()));
  return std::move(way.front().answers().front());
}

/// Throws what any rank has failed with.
void add_totals(const mpi::Communicator& comm, RankPlan& plan, const mpi::LocalWork& work) {
  std::array<std::uint64_t, 3> totals{plan.staged_bytes, plan.owned.size(), work.error() ? 1U : 0U};
  comm.allreduce(totals, MPI_SUM);
  if (totals[2] != 0) mpi::agree(comm, work.error());
  plan.total_bytes = totals[0];
  plan.dataset_count = totals[1];
}

}  // namespace

RankPlan exchange(const mpi::Grid& grid, const LocalPlan& local, std::uint64_t plan_id) {
  const mpi::Communicator& comm = grid.comm();
  mpi::LocalWork work;
  const std::vector<HeldItem> held = meet_replicas(grid, local.items, work);
  std::vector<Tally> tallies;
  work([&] { tallies = tallies_of(local.items, held); });
  const std::vector<CountAnswer> answers = add_up(grid, local.items, std::move(tallies), work);

  std::vector<Share> shares;
  std::vector<std::uint64_t> load(static_cast<std::size_t>(comm.size()));
  work([&] {
    shares = shares_of(held);
    load = fixed_load(shares, local.items, comm.rank(), comm.size());
  });
  comm.allreduce(load, MPI_SUM);
  std::vector<Parcel> out;
  work([&] { out = pieces_for_ranks(shares, std::move(load), comm.rank()); });
  const std::vector<Parcel> in = grid.deliver(out);
  RankPlan plan{.id = plan_id, .owned = {}, .pieces = {}};
  work([&] {
    plan.owned = definitions(local.items, held, answers);
    take_pieces(plan, in, local.items, answers);
  });
  add_totals(comm, plan, work);
  return plan;
}

}  // namespace holdfast::plan
