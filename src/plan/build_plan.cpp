#include "plan/build_plan.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>

#include "base/error_text.hpp"
#include "plan/conflict.hpp"

namespace holdfast::plan {
namespace {

/// The place, on this rank's line of a hop, that messages for a rank go to next.
auto next_hop_at(const mpi::Grid& grid, int hop) {
  return [&grid, hop](int rank) { return grid.next_hop(rank, hop); };
}

std::vector<HeldItem> meet_replicas(const mpi::Grid& grid, std::span<const Item> items, mpi::LocalWork& work) {
  const int ranks = grid.comm().size();
  std::vector<Bytes> batches(1);
  work([&] { batches.front() = pack_items(items, grid.comm().rank()); });
  for (int hop = 0; hop < grid.hops(); ++hop) {
    std::vector<Bytes> out(static_cast<std::size_t>(grid.side(hop)));
    work([&] { out = unite(batches, ranks, grid.side(hop), next_hop_at(grid, hop)); });
    batches = grid.exchange(hop, std::move(out));
  }
  std::vector<HeldItem> held;
  work([&] { held = unpack_items(unite(batches, ranks, 1, [](int) { return 0; }).front()); });
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
  for (const Bytes& bytes : grid.exchange(hop, std::move(out))) {
    in.emplace_back(bytes.size() / sizeof(T));
    std::ranges::copy(bytes, std::as_writable_bytes(std::span(in.back())).begin());
  }
  return in;
}

/// Sends summaries to the ranks that answer for the names. Returns all hops at this rank, its own summaries first.
std::vector<SummaryHop> send_summaries(const mpi::Grid& grid, std::vector<NameSummary> summaries,
                                       mpi::LocalWork& work) {
  const int ranks = grid.comm().size();
  std::vector<SummaryHop> way;
  way.emplace_back(std::vector<std::vector<NameSummary>>{std::move(summaries)});
  for (int hop = 0; hop < grid.hops(); ++hop) {
    std::vector<std::vector<NameSummary>> out(static_cast<std::size_t>(grid.side(hop)));
    work([&] { out = way.back().forward(ranks, grid.side(hop), next_hop_at(grid, hop)); });
    way.emplace_back(exchange_lists(grid, hop, out));
  }
  return way;
}

/// Sends the answers back the same way. Returns the answers to this rank's own summaries.
std::vector<CountAnswer> answers_from(const mpi::Grid& grid, std::vector<SummaryHop> way) {
  way.back().answer();
  for (int hop = grid.hops(); hop-- > 0; way.pop_back())
    way[static_cast<std::size_t>(hop)].receive(exchange_lists(grid, hop, way.back().answers()));
  return std::move(way.front().answers().front());
}

/// The first bytes of a value that must be the same on all ranks; empty for other items.
Bytes start_of(const LocalPlan& local, const Item& wanted) {
  if (wanted.kind != DatasetKind::value && wanted.kind != DatasetKind::string) return {};
  const auto item = std::ranges::find(local.items, wanted.name, &Item::name);
  const auto* data =
      static_cast<const std::byte*>(local.memory[static_cast<std::size_t>(item - local.items.begin())].data);
  const std::uint64_t bytes = volume(wanted.box.extent) * size_of(wanted.dtype);
  return {data, data + std::min<std::uint64_t>(bytes, most_start_bytes)};
}

/// This rank's items of a key.
std::vector<RankItem> evidence(const LocalPlan& local, int rank, std::uint64_t key) {
  std::vector<RankItem> all;
  for (Item& item : items_of_key(local.items, key)) {
    Bytes start = start_of(local, item);
    all.push_back({rank, std::move(item), std::move(start)});
  }
  return all;
}

std::vector<RankItem> items_in(const std::vector<RankMessage>& messages) {
  std::vector<RankItem> all;
  for (const RankMessage& message : messages)
    std::ranges::move(decode<std::vector<RankItem>>(message.bytes), std::back_inserter(all));
  return all;
}

/// Collective. One rank explains the least of the conflicting keys from all ranks' items, and all ranks throw its
/// Error. The error does not name that rank.
[[noreturn]] void explain(const mpi::Grid& grid, const LocalPlan& local, std::optional<std::uint64_t> conflict) {
  const mpi::Communicator& comm = grid.comm();
  std::uint64_t key = conflict.value_or(std::numeric_limits<std::uint64_t>::max());
  comm.allreduce(std::span(&key, 1), MPI_MIN);
  const auto owner = static_cast<int>(key % static_cast<std::uint64_t>(comm.size()));
  std::vector<RankMessage> out;
  mpi::all_or_none(comm, [&] { out.push_back({owner, encode(evidence(local, comm.rank(), key))}); });
  const std::vector<RankMessage> in = grid.deliver(out);
  mpi::LocalWork work;
  work([&] {
    if (comm.rank() == owner) explain_conflict(items_in(in));
  });
  ErrorRecord found = work.error() ? to_record(*work.error()) : ErrorRecord{};
  mpi::broadcast_value(comm, found, owner);
  throw to_error(found);
}

/// The numbers that one allreduce adds up over all ranks.
class Sums {
 public:
  explicit Sums(int ranks) : numbers_(static_cast<std::size_t>(ranks) + counts) {}

  /// The bytes that each rank saves in any case.
  [[nodiscard]] std::span<std::uint64_t> load() { return std::span(numbers_).first(numbers_.size() - counts); }
  /// Counts behind the loads: ranks that have failed, know of a conflict, have per-rank values.
  enum Count { failures, conflicts, askers, counts };
  void count(Count what, bool here) { numbers_[numbers_.size() - counts + what] = here ? 1 : 0; }

  void add_up(const mpi::Communicator& comm) { comm.allreduce(numbers_, MPI_SUM); }
  [[nodiscard]] bool any(Count what) const { return numbers_[numbers_.size() - counts + what] != 0; }
  /// The loads alone, when the counts are no longer needed.
  [[nodiscard]] std::vector<std::uint64_t> take_load() {
    numbers_.resize(load().size());
    return std::move(numbers_);
  }

 private:
  std::vector<std::uint64_t> numbers_;
};

bool has_per_rank_values(std::span<const Item> items) {
  return std::ranges::any_of(items, [](const Item& item) { return is_per_rank_kind(item.kind); });
}

}  // namespace

RankPlan build_plan(const mpi::Grid& grid, const LocalPlan& local, std::uint64_t plan_id, mpi::LocalWork& work,
                    const HolderChoice& saved_by) {
  const mpi::Communicator& comm = grid.comm();
  work([&] { check_boxes(local.items); });
  const std::vector<HeldItem> held = meet_replicas(grid, local.items, work);
  std::vector<NameSummary> summaries;
  work([&] { summaries = summaries_of(local.items, held); });
  std::vector<SummaryHop> way = send_summaries(grid, std::move(summaries), work);
  const std::optional<std::uint64_t> conflict = way.back().conflict();

  std::vector<Share> shares;
  Sums sums(comm.size());
  work([&] {
    shares = shares_of(held, saved_by);
    add_fixed_load(shares, local.items, comm.rank(), sums.load());
  });
  sums.count(Sums::failures, work.error().has_value());
  sums.count(Sums::conflicts, conflict.has_value());
  sums.count(Sums::askers, has_per_rank_values(local.items));
  sums.add_up(comm);
  if (sums.any(Sums::failures)) mpi::agree(comm, work.error());
  if (sums.any(Sums::conflicts)) explain(grid, local, conflict);
  std::vector<CountAnswer> answers;
  if (sums.any(Sums::askers)) answers = answers_from(grid, std::move(way));

  std::vector<RankMessage> out;
  work([&] { out = pieces_for_ranks(shares, sums.take_load(), comm.rank()); });
  const std::vector<RankMessage> in = grid.deliver(out);
  RankPlan plan{.id = plan_id, .owned = {}, .pieces = {}};
  work([&] {
    plan.owned = definitions(local.items, held, answers);
    take_pieces(plan, in, local.items, answers);
  });
  return plan;
}

}  // namespace holdfast::plan
