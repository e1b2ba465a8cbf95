#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

#include "base/codec.hpp"
#include "inspect/inspect.hpp"
#include "tensor/box.hpp"
#include "tensor/text.hpp"

namespace holdfast::inspect {
namespace {

constexpr std::size_t most_ranks = 4;

Bytes read_start(const CheckpointReader& file, const SavedEntry& entry, Box box, std::uint64_t most) {
  if (!box.extent.empty()) box.extent[0] = std::min(box.extent[0], most);
  Bytes bytes(volume(box.extent) * size_of(entry.dtype));
  file.read(entry.name, shard(static_cast<void*>(bytes.data()), entry.dtype,
                              {.global = entry.shape, .offset = box.offset, .extent = box.extent}));
  return bytes;
}

std::string part_text(const CheckpointReader& file, const SavedEntry& entry, const Box& box) {
  if (entry.kind == SavedKind::string)
    return quoted_text(volume(box.extent), read_start(file, entry, box, most_shown_characters));
  return numbers_text(entry.dtype, box.extent, read_start(file, entry, box, most_shown_elements));
}

/// The first ranks' parts, by rank.
std::string per_rank_text(const CheckpointReader& file, const SavedEntry& entry) {
  std::vector<SavedBox> parts = file.boxes(entry.name);
  std::ranges::stable_sort(parts, {}, &SavedBox::rank);
  std::vector<std::string> texts;
  for (const SavedBox& part : std::span(parts).first(std::min(parts.size(), most_ranks)))
    texts.push_back(fmt::format("{}: {}", part.rank, part_text(file, entry, {part.offset, part.extent})));
  const std::string rest = parts.size() > most_ranks ? fmt::format(", … {} ranks", parts.size()) : "";
  return fmt::format("rank {}{}", fmt::join(texts, ", "), rest);
}

}  // namespace

std::string value_text(const CheckpointReader& file, const SavedEntry& entry) {
  return entry.per_rank ? per_rank_text(file, entry) : part_text(file, entry, whole(entry.shape));
}

}  // namespace holdfast::inspect
