#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/codec.hpp"
#include "inspect/inspect.hpp"
#include "tensor/text.hpp"

namespace holdfast::inspect {
namespace {

using plan::Dataset;
using plan::DatasetKind;
using storage::CheckpointReader;

constexpr std::size_t most_ranks = 4;

Bytes read_start(const CheckpointReader& file, std::uint32_t dataset, Box box, std::uint64_t most) {
  if (!box.extent.empty()) box.extent[0] = std::min(box.extent[0], most);
  Bytes bytes(volume(box.extent) * size_of(file.datasets()[dataset].dtype));
  file.read(dataset, box, bytes.data());
  return bytes;
}

std::string string_text(const CheckpointReader& file, std::uint32_t dataset, const Box& box) {
  return quoted_text(volume(box.extent), read_start(file, dataset, box, most_shown_characters));
}

std::string numbers_text(const CheckpointReader& file, std::uint32_t dataset, const Box& box) {
  return holdfast::numbers_text(file.datasets()[dataset].dtype, box.extent,
                                read_start(file, dataset, box, most_shown_elements));
}

/// The first ranks' parts, by rank.
std::string per_rank_text(const CheckpointReader& file, std::uint32_t dataset) {
  std::vector<std::pair<int, Box>> parts;
  for (const auto& chunk : file.chunks())
    if (chunk.dataset == dataset) parts.emplace_back(chunk.rank, chunk.box);
  std::sort(parts.begin(), parts.end());
  std::vector<std::string> texts;
  const auto part_text = file.datasets()[dataset].kind == DatasetKind::per_rank_string ? string_text : numbers_text;
  for (std::size_t i = 0; i < std::min(parts.size(), most_ranks); ++i)
    texts.push_back(fmt::format("{}: {}", parts[i].first, part_text(file, dataset, parts[i].second)));
  const std::string rest = parts.size() > most_ranks ? fmt::format(", … {} ranks", parts.size()) : "";
  return fmt::format("rank {}{}", fmt::join(texts, ", "), rest);
}

}  // namespace

std::string value_text(const CheckpointReader& file, std::uint32_t dataset) {
  const Dataset& definition = file.datasets()[dataset];
  switch (definition.kind) {
    case DatasetKind::per_rank:
    case DatasetKind::per_rank_string:
      return per_rank_text(file, dataset);
    case DatasetKind::string:
      return string_text(file, dataset, whole(definition.global));
    default:
      return numbers_text(file, dataset, whole(definition.global));
  }
}

}  // namespace holdfast::inspect
