#include "plan/conflict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "tensor/cover.hpp"
#include "tensor/text.hpp"

namespace holdfast::plan {
namespace {

[[noreturn]] void conflict(const RankItem& part, std::string sentence) {
  throw Error(ErrorCode::plan_conflict, std::move(sentence), {.tensor = part.part.name});
}

void check_names(const std::vector<RankItem>& parts) {
  for (const RankItem& part : parts)
    if (part.part.name != parts.front().part.name)
      conflict(part, fmt::format("the name has the same checksum as \"{}\"; one of them has to change",
                                 parts.front().part.name));
}

/// Removes the marks of groups. A name that is also a dataset is a conflict.
void remove_groups(std::vector<RankItem>& parts) {
  const auto is_group = [](const RankItem& part) { return part.part.kind == DatasetKind::group; };
  const auto group = std::ranges::find_if(parts, is_group);
  const auto dataset = std::ranges::find_if_not(parts, is_group);
  if (group != parts.end() && dataset != parts.end())
    conflict(*dataset, fmt::format("the name is {} on rank {} and {} on rank {}", in_words(dataset->part.kind),
                                   dataset->rank, in_words(DatasetKind::group), group->rank));
  std::erase_if(parts, is_group);
}

std::string value_text(const RankItem& value) {
  const Shape& shape = value.part.box.extent;
  return value.part.kind == DatasetKind::string ? quoted_text(volume(shape), value.start)
                                                : numbers_text(value.part.dtype, shape, value.start);
}

[[noreturn]] void values_differ(const RankItem& a, const RankItem& b) {
  const std::string of_a = value_text(a), of_b = value_text(b);
  const std::string how = of_a == of_b
                              ? fmt::format("it differs between rank {} and rank {} somewhere behind its beginning, {}",
                                            a.rank, b.rank, of_a)
                              : fmt::format("it is {} on rank {} and {} on rank {}", of_a, a.rank, of_b, b.rank);
  conflict(a,
           fmt::format(
               "the value must be the same on all ranks, but {}; StateDict::add_per_rank() takes a value that is each "
               "rank's own",
               how));
}

void check_same(const RankItem& a, const RankItem& b) {
  const auto differ = [&](std::string_view what, const auto& first, const auto& second) {
    conflict(a, fmt::format("{} is {} on rank {} and {} on rank {}", what, first, a.rank, second, b.rank));
  };
  const bool tensor = a.part.kind == DatasetKind::tensor;
  if (a.part.kind != b.part.kind) differ("it", in_words(a.part.kind), in_words(b.part.kind));
  if (a.part.dtype != b.part.dtype) differ("the dtype", to_string(a.part.dtype), to_string(b.part.dtype));
  if (a.part.global != b.part.global)
    differ(tensor ? "the global shape" : "the value's shape", to_string(a.part.global), to_string(b.part.global));
  if (is_per_rank_kind(a.part.kind) && a.part.box.dimensions() != b.part.box.dimensions())
    differ("the per-rank value", a.part.box.dimensions() == 0 ? "one number" : "a vector",
           b.part.box.dimensions() == 0 ? "one number" : "a vector");
  if (a.part.content != b.part.content) values_differ(a, b);
}

/// One item for each different box that is not empty, from the lowest rank that holds it.
std::vector<RankItem> distinct_boxes(std::vector<RankItem> parts) {
  std::erase_if(parts, [](const RankItem& part) { return empty(part.part.box); });
  const auto box_of = [](const RankItem& part) -> const Box& { return part.part.box; };
  std::ranges::stable_sort(parts, {}, box_of);
  const auto rest = std::ranges::unique(parts, {}, box_of);
  parts.erase(rest.begin(), rest.end());
  return parts;
}

void check_cover(const std::vector<RankItem>& parts, const Shape& global) {
  const std::vector<RankItem> different = distinct_boxes(parts);
  std::vector<Box> boxes;
  for (const RankItem& part : different) boxes.push_back(part.part.box);
  if (const auto pair = find_overlap(boxes)) {
    const RankItem &a = different[pair->first], &b = different[pair->second];
    conflict(
        a, fmt::format("an overlap: rank {} holds {} and rank {} holds {}, both have {}", a.rank, to_string(a.part.box),
                       b.rank, to_string(b.part.box), to_string(*intersect(a.part.box, b.part.box))));
  }
  if (const auto hole = find_hole(global, boxes))
    conflict(parts.front(),
             fmt::format("a hole: nobody holds {} of the global shape {}", to_string(*hole), to_string(global)));
}

}  // namespace

void explain_conflict(std::vector<RankItem> items) {
  std::ranges::stable_sort(items, {}, &RankItem::rank);
  check_names(items);
  remove_groups(items);
  for (const RankItem& part : items) check_same(items.front(), part);
  if (!items.empty() && !is_per_rank_kind(items.front().part.kind)) check_cover(items, items.front().part.global);
  throw Error(ErrorCode::internal, "ranks found a conflict in a name that none of them can explain",
              {.tensor = items.empty() ? std::string{} : items.front().part.name});
}

}  // namespace holdfast::plan
