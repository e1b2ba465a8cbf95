#include "plan/merge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "tensor/cover.hpp"

namespace holdfast::plan {
namespace {

/// All ranks' items of one name, by rank.
using Parts = std::vector<const RankItem*>;

[[noreturn]] void conflict(const RankItem& part, std::string sentence) {
  throw Error(ErrorCode::plan_conflict, std::move(sentence), {.tensor = part.part.name});
}

std::map<std::string_view, Parts> by_name(const std::vector<RankItem>& items) {
  std::map<std::string_view, Parts> names;
  for (const RankItem& item : items) names[item.part.name].push_back(&item);
  for (auto& [name, parts] : names)
    std::ranges::sort(parts, {}, [](const RankItem* part) { return std::pair(part->rank, part->item); });
  return names;
}

/// Takes the marks of groups out of the parts; a name that is a dataset on another rank is a conflict.
void remove_groups(Parts& parts) {
  const auto is_group = [](const RankItem* part) { return part->part.kind == Kind::group; };
  const auto group = std::ranges::find_if(parts, is_group);
  const auto dataset = std::ranges::find_if_not(parts, is_group);
  if (group != parts.end() && dataset != parts.end())
    conflict(**dataset, fmt::format("the name is {} on rank {} and {} on rank {}", in_words((*dataset)->part.kind),
                                    (*dataset)->rank, in_words(Kind::group), (*group)->rank));
  std::erase_if(parts, is_group);
}

void check_same(const RankItem& a, const RankItem& b) {
  const auto differ = [&](std::string_view what, const auto& first, const auto& second) {
    conflict(a, fmt::format("{} is {} on rank {} and {} on rank {}", what, first, a.rank, second, b.rank));
  };
  const bool tensor = a.part.kind == Kind::tensor;
  if (a.part.kind != b.part.kind) differ("it", in_words(a.part.kind), in_words(b.part.kind));
  if (a.part.dtype != b.part.dtype) differ("the dtype", to_string(a.part.dtype), to_string(b.part.dtype));
  if (a.part.global != b.part.global)
    differ(tensor ? "the global shape" : "the value's shape", to_string(a.part.global), to_string(b.part.global));
  if (is_per_rank_kind(a.part.kind) && a.part.box.dimensions() != b.part.box.dimensions())
    differ("the per-rank value", a.part.box.dimensions() == 0 ? "one number" : "a vector",
           b.part.box.dimensions() == 0 ? "one number" : "a vector");
  if (a.part.content != b.part.content)
    conflict(a, fmt::format("the value must be the same on all ranks, but rank {} and rank {} differ", a.rank, b.rank));
}

Share share_of(const Merged& merged, const RankItem& part, Box box) {
  const std::uint64_t bytes = volume(box.extent) * size_of(part.part.dtype);
  return {static_cast<std::uint32_t>(merged.datasets.size() - 1), std::move(box), bytes, {{part.rank, part.item}}};
}

/// One share per different box that is not empty, with all who hold it.
std::vector<Share> distinct_boxes(const Merged& merged, Parts parts) {
  std::erase_if(parts, [](const RankItem* part) { return empty(part->part.box); });
  std::ranges::stable_sort(parts, [](const RankItem* a, const RankItem* b) { return a->part.box < b->part.box; });
  std::vector<Share> shares;
  for (const RankItem* part : parts) {
    if (shares.empty() || shares.back().box != part->part.box)
      shares.push_back(share_of(merged, *part, part->part.box));
    else
      shares.back().holders.emplace_back(part->rank, part->item);
  }
  return shares;
}

void check_cover(const RankItem& part, const std::vector<Share>& shares) {
  std::vector<Box> boxes(shares.size());
  std::ranges::transform(shares, boxes.begin(), &Share::box);
  if (const auto pair = find_overlap(boxes)) {
    const Share &a = shares[pair->first], &b = shares[pair->second];
    conflict(part, fmt::format("an overlap: rank {} holds {} and rank {} holds {}, both have {}", a.holders.front().first,
                               to_string(a.box), b.holders.front().first, to_string(b.box), to_string(*intersect(a.box, b.box))));
  }
  if (const auto hole = find_hole(part.part.global, boxes))
    conflict(part, fmt::format("a hole: nobody holds {} of the global shape {}", to_string(*hole), to_string(part.part.global)));
}

void add_shared(Merged& merged, const Parts& parts) {
  const RankItem& first = *parts.front();
  merged.datasets.push_back({first.part.name, first.part.kind, first.part.dtype, first.part.global});
  std::vector<Share> shares = distinct_boxes(merged, parts);
  check_cover(first, shares);
  std::ranges::move(shares, std::back_inserter(merged.shares));
}

/// The ranks' values one after the other. A rank with an empty one gets a share too: it says that the value is there.
void add_per_rank(Merged& merged, const Parts& parts) {
  const RankItem& first = *parts.front();
  merged.datasets.push_back({first.part.name, first.part.kind, first.part.dtype, {0}});
  std::uint64_t& end = merged.datasets.back().global[0];
  for (const RankItem* part : parts) {
    const std::uint64_t count = volume(part->part.box.extent);
    merged.shares.push_back(share_of(merged, *part, {{end}, {count}}));
    end += count;
  }
}

}  // namespace

Merged merge(std::vector<RankItem> items) {
  Merged merged;
  for (auto& [name, parts] : by_name(items)) {
    remove_groups(parts);
    if (parts.empty()) continue;
    for (const RankItem* part : parts) check_same(*parts.front(), *part);
    if (is_per_rank_kind(parts.front()->part.kind))
      add_per_rank(merged, parts);
    else
      add_shared(merged, parts);
  }
  return merged;
}

}  // namespace holdfast::plan
