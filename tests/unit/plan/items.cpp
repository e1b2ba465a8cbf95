#include "unit/plan/items.hpp"

#include <algorithm>
#include <map>

#include "plan/rounds.hpp"

namespace holdfast::plan::test {
namespace {

constexpr int first_side = 3;

int to_the_only_rank(int) {
  return 0;
}

using ByRank = std::map<int, std::vector<Item>>;

/// Marks of groups apart: programs have none, but names that lie in groups.
ByRank by_rank(const std::vector<RankItem>& items, bool groups) {
  ByRank ranks;
  for (const RankItem& item : items) {
    auto& list = ranks[item.rank];
    if ((item.part.kind == DatasetKind::group) == groups) list.push_back(item.part);
  }
  return ranks;
}

/// In two hops, the first one between neighbours.
std::vector<HeldItem> meet(const ByRank& ranks) {
  std::map<int, std::vector<Bytes>> rows;
  for (const auto& [rank, items] : ranks) rows[rank / first_side].push_back(pack_items(items, rank));
  std::vector<Bytes> batches;
  for (const auto& [row, of_ranks] : rows) batches.push_back(unite(of_ranks, 1, 1, to_the_only_rank).front());
  return unpack_items(unite(batches, 1, 1, to_the_only_rank).front());
}

using Answers = std::map<int, std::vector<CountAnswer>>;

Bytes start_of(const std::vector<RankItem>& items, int rank, const Item& item) {
  const auto found =
      std::ranges::find_if(items, [&](const RankItem& i) { return i.rank == rank && i.part.name == item.name; });
  return found == items.end() ? Bytes{} : found->start;
}

/// All ranks' summaries, those of what they met with the first one's.
Answers add_up(const std::vector<RankItem>& items, const ByRank& ranks, const std::vector<HeldItem>& held) {
  const ByRank groups = by_rank(items, true);
  std::map<int, std::vector<int>> rows;
  std::map<int, SummaryHop> stops;
  std::vector<std::vector<NameSummary>> sums;
  for (const auto& [rank, of_rank] : ranks) rows[rank / first_side].push_back(rank);
  for (const auto& [row, members] : rows) {
    std::vector<std::vector<NameSummary>> lists;
    for (const int rank : members) {
      const bool is_first = rank == ranks.begin()->first;
      lists.push_back(summaries_of(ranks.at(rank), is_first ? held : std::vector<HeldItem>{}));
      for (const Item& group : groups.at(rank)) lists.back().push_back(summary_of_group(group.name));
    }
    sums.push_back(
        stops.emplace(row, SummaryHop(std::move(lists))).first->second.forward(1, 1, to_the_only_rank).front());
  }
  SummaryHop last(std::move(sums));
  if (const auto key = last.conflict()) {
    std::vector<RankItem> bad;
    for (const auto& of_all : {ranks, groups})
      for (const auto& [rank, of_rank] : of_all)
        for (const Item& item : items_of_key(of_rank, *key)) bad.push_back({rank, item, start_of(items, rank, item)});
    explain_conflict(std::move(bad));
  }
  last.answer();
  const auto to_rows = last.answers();
  Answers answers;
  std::size_t number = 0;
  for (auto& [row, stop] : stops) {
    stop.receive({to_rows.at(number++)});
    const auto to_ranks = stop.answers();
    for (std::size_t i = 0; i < rows[row].size(); ++i) answers[rows[row][i]] = to_ranks.at(i);
  }
  return answers;
}

}  // namespace

RankItem tensor(int rank, std::string name, Shape global, Box box, DType dtype) {
  return {rank, {std::move(name), DatasetKind::tensor, dtype, std::move(global), std::move(box)}};
}

RankItem value(int rank, std::string name, Shape shape, std::uint64_t content, DatasetKind kind) {
  return {
      rank, {std::move(name), kind, DType::u8, shape, whole(shape), content}, Bytes(volume(shape), std::byte(content))};
}

RankItem per_rank(int rank, std::string name, Shape shape, DatasetKind kind) {
  return {rank, {std::move(name), kind, DType::u8, {}, whole(shape)}};
}

RankItem group(int rank, std::string name) {
  return {rank, {std::move(name), DatasetKind::group, {}, {}, {}}};
}

Merged merge(const std::vector<RankItem>& items) {
  const ByRank ranks = by_rank(items, false);
  const std::vector<HeldItem> held = meet(ranks);
  const Answers answers = ranks.empty() ? Answers{} : add_up(items, ranks, held);
  Merged merged{{}, shares_of(held)};
  for (const auto& [rank, of_rank] : ranks) {
    const bool is_first = rank == ranks.begin()->first;
    std::ranges::move(definitions(of_rank, is_first ? held : std::vector<HeldItem>{}, answers.at(rank)),
                      std::back_inserter(merged.datasets));
    RankPlan plan;
    take_pieces(plan, {}, of_rank, answers.at(rank));
    for (const Piece& piece : plan.pieces)
      merged.shares.push_back({piece.dataset, piece.box, piece.bytes, {{rank, piece.item}}});
  }
  std::ranges::sort(merged.datasets, {}, &Dataset::name);
  std::map<std::uint64_t, std::size_t> order;
  for (std::size_t i = 0; i < merged.datasets.size(); ++i) order[key_of(merged.datasets[i].name)] = i;
  std::ranges::sort(merged.shares, {}, [&](const Share& share) {
    return std::tuple(order.at(share.dataset), share.box.offset, share.box.extent);
  });
  return merged;
}

}  // namespace holdfast::plan::test
