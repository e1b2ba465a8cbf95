#include "plan/rounds.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::plan {
namespace {

/// Larger replicas are cut. About the size from which a write is worth its call.
constexpr std::uint64_t split_bytes = 1U << 20;

std::uint64_t bytes_of(const Item& item) {
  return volume(item.box.extent) * size_of(item.dtype);
}

/// True for one of the boxes that cover a shape. In a shape without elements all boxes are empty, and the same item.
bool is_first_box(const Item& item) {
  if (empty(item.box)) return volume(item.global) == 0;
  return std::ranges::all_of(item.box.offset, [](std::uint64_t offset) { return offset == 0; });
}

Holder chosen_holder(const HeldItem& held, const HolderChoice& saved_by) {
  std::vector<int> ranks;
  for (const Holder& holder : held.holders) ranks.push_back(holder.rank);
  const int chosen = saved_by(held.item.name, ranks);
  const auto found = std::ranges::find(held.holders, chosen, &Holder::rank);
  if (found == held.holders.end())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("SavePlanner::saved_by chose rank {}, which does not hold the box {}", chosen,
                            to_string(held.item.box)),
                {.tensor = held.item.name});
  return *found;
}

/// Calls function(number, item, answer) for each per-rank value.
template <class Function>
void for_each_per_rank(std::span<const Item> items, std::span<const CountAnswer> answers, Function&& function) {
  auto answer = answers.begin();
  for (std::uint32_t i = 0; i < items.size(); ++i)
    if (is_per_rank_kind(items[i].kind)) function(i, items[i], *answer++);
}

}  // namespace

std::vector<NameSummary> summaries_of(std::span<const Item> items, std::span<const HeldItem> held) {
  std::vector<NameSummary> summaries;
  for (const Item& item : items)
    if (is_per_rank_kind(item.kind)) summaries.push_back(summary_of(item));
  for (const std::string_view group : groups_of(items)) summaries.push_back(summary_of_group(group));
  for (const HeldItem& one : held) summaries.push_back(summary_of(one.item));
  return summaries;
}

std::vector<Share> shares_of(std::span<const HeldItem> held, const HolderChoice& saved_by) {
  std::vector<Share> shares;
  for (const HeldItem& one : held) {
    if (empty(one.item.box)) continue;
    const bool has_choice = saved_by && one.holders.size() > 1;
    shares.push_back({key_of(one.item.name), one.item.box, bytes_of(one.item),
                      has_choice ? std::vector{chosen_holder(one, saved_by)} : one.holders});
  }
  return shares;
}

void add_fixed_load(std::span<const Share> shares, std::span<const Item> items, int rank,
                    std::span<std::uint64_t> load) {
  for (const Share& share : shares)
    if (share.holders.size() == 1) load[static_cast<std::size_t>(share.holders.front().rank)] += share.bytes;
  for (const Item& item : items)
    if (is_per_rank_kind(item.kind)) load[static_cast<std::size_t>(rank)] += bytes_of(item);
}

std::vector<RankMessage> pieces_for_ranks(const std::vector<Share>& shares, std::vector<std::uint64_t> load, int rank) {
  const auto ranks = static_cast<int>(load.size());
  std::vector<RankMessage> out;
  for (const auto& [receiver, pieces] : assign(shares, std::move(load), rank, ranks, split_bytes))
    out.push_back({receiver, encode(pieces)});
  return out;
}

std::vector<Dataset> definitions(std::span<const Item> items, std::span<const HeldItem> held,
                                 std::span<const CountAnswer> answers) {
  std::vector<Dataset> datasets;
  for (const auto& [item, holders] : held)
    if (is_first_box(item)) datasets.push_back({item.name, item.kind, item.dtype, item.global});
  for_each_per_rank(items, answers, [&](std::uint32_t, const Item& item, const CountAnswer& answer) {
    if (answer.ranks_before == 0) datasets.push_back({item.name, item.kind, item.dtype, {answer.total}});
  });
  return datasets;
}

void take_pieces(RankPlan& plan, const std::vector<RankMessage>& in, std::span<const Item> items,
                 std::span<const CountAnswer> answers) {
  for (const RankMessage& message : in)
    std::ranges::move(decode<std::vector<Piece>>(message.bytes), std::back_inserter(plan.pieces));
  for_each_per_rank(items, answers, [&](std::uint32_t number, const Item& item, const CountAnswer& answer) {
    Box box{{answer.before}, {volume(item.box.extent)}};
    plan.pieces.push_back({key_of(item.name), number, std::move(box), 0, bytes_of(item)});
  });
  plan.arena_bytes = place(plan.pieces);
  for (const Piece& piece : plan.pieces) plan.staged_bytes += piece.bytes;
}

std::vector<Item> items_of_key(std::span<const Item> items, std::uint64_t key) {
  std::vector<Item> found;
  for (const Item& item : items)
    if (key_of(item.name) == key) found.push_back(item);
  for (const std::string_view group : groups_of(items))
    if (key_of(group) == key) found.push_back({std::string(group), DatasetKind::group, {}, {}, {}});
  return found;
}

}  // namespace holdfast::plan
