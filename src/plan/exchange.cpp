#include "plan/exchange.hpp"

#include <array>
#include <string_view>
#include <unordered_set>

#include "base/checksum.hpp"
#include "plan/merge.hpp"

namespace holdfast::plan {
namespace {

/// Replicas above this are cut. About the size from which a write is worth its call.
constexpr std::uint64_t split_bytes = 1U << 20;

/// An item on its way to the rank that owns its name.
struct SentItem {
  std::uint32_t item = 0;
  Item part;
  static void fields(auto& codec, auto& self) { codec(self.item, self.part); }
};

std::size_t owner_of(std::string_view name, int ranks) {
  return checksum(std::as_bytes(std::span(name))) % static_cast<std::uint64_t>(ranks);
}

/// The groups that the items lie in: "model" and "model/net1" for "model/net1/weight".
std::unordered_set<std::string_view> groups_of(const std::vector<Item>& items) {
  std::unordered_set<std::string_view> groups;
  for (const Item& item : items) {
    const std::string_view name = item.name;
    // From the innermost outwards: a group that is known has parents that are known.
    for (std::size_t end = name.rfind('/'); end != name.npos && groups.insert(name.substr(0, end)).second;)
      end = name.rfind('/', end - 1);
  }
  return groups;
}

std::vector<Bytes> items_for_owners(const std::vector<Item>& items, int ranks) {
  std::vector<std::vector<SentItem>> lists(static_cast<std::size_t>(ranks));
  for (std::size_t i = 0; i < items.size(); ++i)
    lists[owner_of(items[i].name, ranks)].push_back({static_cast<std::uint32_t>(i), items[i]});
  for (const std::string_view group : groups_of(items))
    lists[owner_of(group, ranks)].push_back({0, {std::string(group), Kind::group, {}, {}, {}}});
  std::vector<Bytes> out;
  for (const auto& list : lists) out.push_back(encode(list));
  return out;
}

std::vector<RankItem> items_from_ranks(const std::vector<Bytes>& in) {
  std::vector<RankItem> items;
  for (std::size_t rank = 0; rank < in.size(); ++rank)
    for (SentItem& sent : decode<std::vector<SentItem>>(in[rank]))
      items.push_back({static_cast<int>(rank), sent.item, std::move(sent.part)});
  return items;
}

/// What each rank saves in any case.
std::vector<std::uint64_t> fixed_load(const Merged& merged, int ranks) {
  std::vector<std::uint64_t> load(static_cast<std::size_t>(ranks));
  for (const Share& share : merged.shares)
    if (share.holders.size() == 1) load[static_cast<std::size_t>(share.holders.front().first)] += share.bytes;
  return load;
}

std::vector<Bytes> pieces_for_ranks(const mpi::Communicator& comm, const Merged& merged, std::vector<std::uint64_t> load) {
  std::vector<Bytes> out;
  for (const auto& pieces : assign(merged, std::move(load), comm.rank(), comm.size(), split_bytes)) out.push_back(encode(pieces));
  return out;
}

std::vector<Piece> pieces_from_owners(const std::vector<Bytes>& in) {
  std::vector<Piece> all;
  for (const Bytes& bytes : in)
    for (Piece& piece : decode<std::vector<Piece>>(bytes)) all.push_back(std::move(piece));
  return all;
}

void add_totals(const mpi::Communicator& comm, const Merged& merged, RankPlan& plan) {
  std::array<std::uint64_t, 2> totals{0, merged.datasets.size()};
  for (const Share& share : merged.shares) totals[0] += share.bytes;
  comm.allreduce(totals, MPI_SUM);
  plan.total_bytes = totals[0];
  plan.dataset_count = totals[1];
}

}  // namespace

RankPlan exchange(const mpi::Communicator& comm, const LocalPlan& local, std::uint64_t plan_id) {
  std::vector<Bytes> out;
  mpi::all_or_none(comm, [&] { out = items_for_owners(local.items, comm.size()); });
  std::vector<Bytes> in = comm.all_to_all(out);
  Merged merged;
  mpi::all_or_none(comm, [&] { merged = merge(items_from_ranks(in)); });

  std::vector<std::uint64_t> load = fixed_load(merged, comm.size());
  comm.allreduce(load, MPI_SUM);

  mpi::all_or_none(comm, [&] { out = pieces_for_ranks(comm, merged, std::move(load)); });
  in = comm.all_to_all(out);
  RankPlan plan{.id = plan_id, .owned = {}, .pieces = {}};
  mpi::all_or_none(comm, [&] {
    plan.pieces = pieces_from_owners(in);
    plan.arena_bytes = place(plan.pieces);
  });
  add_totals(comm, merged, plan);
  plan.owned = std::move(merged.datasets);
  return plan;
}

}  // namespace holdfast::plan
