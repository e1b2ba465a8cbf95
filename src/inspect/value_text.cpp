#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/codec.hpp"
#include "inspect/inspect.hpp"
#include "inspect/numbers.hpp"

namespace holdfast::inspect {
namespace {

using plan::Dataset;
using plan::Kind;
using storage::CheckpointReader;

constexpr std::uint64_t most_elements = 8;
constexpr std::uint64_t most_characters = 60;
constexpr std::size_t most_ranks = 4;

Bytes read_start(const CheckpointReader& file, std::uint32_t dataset, Box box, std::uint64_t most) {
  if (!box.extent.empty()) box.extent[0] = std::min(box.extent[0], most);
  Bytes bytes(volume(box.extent) * size_of(file.datasets()[dataset].dtype));
  file.read(dataset, box, bytes.data());
  return bytes;
}

/// In quotes, with control characters and quotes escaped; not cut inside a UTF-8 character.
std::string quote(const Bytes& bytes, bool cut) {
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
  if (cut) {
    while (!text.empty() && continues(text.back())) text.pop_back();
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0x80) text.pop_back();
  }
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      quoted += {'\\', c};
    else if (c == '\n')
      quoted += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      quoted += c;
  }
  return quoted + "\"";
}

std::string string_text(const CheckpointReader& file, std::uint32_t dataset, const Box& box) {
  const std::uint64_t characters = volume(box.extent);
  const bool cut = characters > most_characters;
  const std::string start = quote(read_start(file, dataset, box, most_characters), cut);
  return cut ? fmt::format("{}… {} bytes in all", start, characters) : start;
}

std::string numbers_text(const CheckpointReader& file, std::uint32_t dataset, const Box& box) {
  const DType dtype = file.datasets()[dataset].dtype;
  const std::uint64_t count = volume(box.extent);
  const Bytes bytes = read_start(file, dataset, box, most_elements);
  std::vector<std::string> numbers;
  for (std::size_t at = 0; at < bytes.size(); at += size_of(dtype)) numbers.push_back(number_text(dtype, bytes.data() + at));
  if (box.extent.empty()) return numbers.front();
  return count > most_elements ? fmt::format("[{}, … {} in all]", fmt::join(numbers, ", "), count)
                               : fmt::format("[{}]", fmt::join(numbers, ", "));
}

/// The first ranks' parts, by rank.
std::string per_rank_text(const CheckpointReader& file, std::uint32_t dataset) {
  std::vector<std::pair<int, Box>> parts;
  for (const auto& chunk : file.chunks())
    if (chunk.dataset == dataset) parts.emplace_back(chunk.rank, chunk.box);
  std::sort(parts.begin(), parts.end());
  std::vector<std::string> texts;
  const auto part_text = file.datasets()[dataset].kind == Kind::per_rank_string ? string_text : numbers_text;
  for (std::size_t i = 0; i < std::min(parts.size(), most_ranks); ++i)
    texts.push_back(fmt::format("{}: {}", parts[i].first, part_text(file, dataset, parts[i].second)));
  const std::string rest = parts.size() > most_ranks ? fmt::format(", … {} ranks", parts.size()) : "";
  return fmt::format("rank {}{}", fmt::join(texts, ", "), rest);
}

}  // namespace

std::string value_text(const CheckpointReader& file, std::uint32_t dataset) {
  const Dataset& definition = file.datasets()[dataset];
  switch (definition.kind) {
    case Kind::per_rank:
    case Kind::per_rank_string:
      return per_rank_text(file, dataset);
    case Kind::string:
      return string_text(file, dataset, whole(definition.global));
    default:
      return numbers_text(file, dataset, whole(definition.global));
  }
}

}  // namespace holdfast::inspect
