#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "base/codec.hpp"
#include "inspect/inspect.hpp"
#include "inspect/numbers.hpp"
#include "tensor/slabs.hpp"
#include "tensor/text.hpp"

namespace holdfast::inspect {
namespace {

using plan::Dataset;
using plan::DatasetKind;
using storage::CheckpointReader;

constexpr std::uint64_t piece_bytes = 8 << 20;  // bytes of each file in memory at a time

struct Side {
  const CheckpointReader& file;
  std::uint32_t dataset;

  [[nodiscard]] const Dataset& definition() const { return file.datasets()[dataset]; }
  [[nodiscard]] std::string text() const { return value_text(file, dataset); }
};

bool is_string(DatasetKind kind) {
  return kind == DatasetKind::string || kind == DatasetKind::per_rank_string;
}

std::string type_text(const Dataset& dataset) {
  const std::string_view kind = plan::in_words(dataset.kind);
  return is_string(dataset.kind) ? std::string(kind) : fmt::format("{} of {}", kind, to_string(dataset.dtype));
}

/// "[3, 4]: ", the indices of the element at the row-major `position`; empty for a scalar.
std::string place_text(const Shape& shape, std::uint64_t position) {
  Shape place(shape.size());
  for (std::size_t d = shape.size(); d-- > 0; position /= shape[d]) place[d] = position % shape[d];
  return shape.empty() ? std::string() : fmt::format("[{}]: ", fmt::join(place, ", "));
}

/// Counts the elements that differ in two pieces and describes the first.
void compare_piece(const Dataset& dataset, const Bytes& a, const Bytes& b, std::uint64_t position, Difference& found) {
  const std::size_t size = size_of(dataset.dtype);
  if (std::memcmp(a.data(), b.data(), a.size()) == 0) return;
  for (std::size_t at = 0; at < a.size(); at += size) {
    const std::byte *x = a.data() + at, *y = b.data() + at;
    if (std::memcmp(x, y, size) == 0) continue;
    if (found.elements++ == 0)
      found.text = fmt::format("{}{} / {}", place_text(dataset.global, position + at / size),
                               number_text(dataset.dtype, x), number_text(dataset.dtype, y));
    found.largest = std::max(found.largest, distance(dataset.dtype, x, y));
  }
}

Difference compare_content(const Side& first, const Side& second) {
  const Dataset& dataset = first.definition();
  const std::size_t size = size_of(dataset.dtype);
  Difference found{dataset.name, Difference::Aspect::content, {}, 0, 0};
  Bytes a, b;
  for (const Slab& piece : slabs(whole(dataset.global), size, piece_bytes)) {
    a.resize(piece.bytes);
    b.resize(piece.bytes);
    first.file.read(first.dataset, piece.box, a.data());
    second.file.read(second.dataset, piece.box, b.data());
    compare_piece(dataset, a, b, piece.begin_bytes / size, found);
  }
  return found;
}

/// Strings differ as a whole, in length or in content.
Difference compare_strings(const Side& first, const Side& second) {
  const std::string& name = first.definition().name;
  const bool equal =
      first.definition().global == second.definition().global && compare_content(first, second).elements == 0;
  if (equal) return {name, Difference::Aspect::content, {}, 0, 0};
  return {name, Difference::Aspect::content, fmt::format("{} / {}", first.text(), second.text()), 1, 0};
}

/// (rank, elements) of a per-rank value, without ranks that have none.
std::vector<std::pair<int, std::uint64_t>> lengths(const Side& side) {
  std::vector<std::pair<int, std::uint64_t>> result;
  for (const auto& chunk : side.file.chunks())
    if (chunk.dataset == side.dataset && !empty(chunk.box)) result.emplace_back(chunk.rank, volume(chunk.box.extent));
  std::sort(result.begin(), result.end());
  return result;
}

/// The difference of two datasets of one name; without text if they are equal.
Difference compare(const Side& first, const Side& second) {
  const Dataset &a = first.definition(), &b = second.definition();
  if (a.kind != b.kind || a.dtype != b.dtype)
    return {a.name, Difference::Aspect::type, fmt::format("{} / {}", type_text(a), type_text(b)), 0, 0};
  if (plan::is_per_rank_kind(a.kind) && lengths(first) != lengths(second))
    return {a.name, Difference::Aspect::shape, fmt::format("{} / {}", first.text(), second.text()), 0, 0};
  if (is_string(a.kind)) return compare_strings(first, second);
  if (a.global != b.global)
    return {a.name, Difference::Aspect::shape, fmt::format("{} / {}", to_string(a.global), to_string(b.global)), 0, 0};
  return compare_content(first, second);
}

void report_absent(const CheckpointReader& from, const CheckpointReader& in, Difference::Aspect kind,
                   DiffReport& report) {
  for (const Dataset& dataset : from.datasets())
    if (!in.names().find(dataset.name))
      report.differences.push_back(
          {dataset.name, kind, fmt::format("{} {}", type_text(dataset), to_string(dataset.global)), 0, 0});
}

}  // namespace

DiffReport diff(const std::filesystem::path& first_path, const std::filesystem::path& second_path) {
  const CheckpointReader first(first_path), second(second_path);
  DiffReport report;
  for (std::uint32_t i = 0; i < first.datasets().size(); ++i) {
    const auto other = second.names().find(first.datasets()[i].name);
    if (!other) continue;
    if (plan::is_per_rank_kind(first.datasets()[i].kind) && first.info().world_size != second.info().world_size)
      continue;
    ++report.compared;
    Difference found = compare({first, i}, {second, *other});
    if (!found.text.empty()) report.differences.push_back(std::move(found));
  }
  report_absent(first, second, Difference::Aspect::only_in_first, report);
  report_absent(second, first, Difference::Aspect::only_in_second, report);
  std::sort(report.differences.begin(), report.differences.end(),
            [](const Difference& a, const Difference& b) { return a.name < b.name; });
  return report;
}

}  // namespace holdfast::inspect
