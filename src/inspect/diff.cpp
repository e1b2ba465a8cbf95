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

constexpr std::uint64_t piece_bytes = 8 << 20;  // bytes of each file in memory at a time

struct Side {
  const CheckpointReader& file;
  const SavedEntry& entry;

  [[nodiscard]] std::string text() const { return value_text(file, entry); }
  void read(const Box& box, Bytes& packed) const {
    file.read(entry.name, shard(static_cast<void*>(packed.data()), entry.dtype,
                                {.global = entry.shape, .offset = box.offset, .extent = box.extent}));
  }
};

/// "a tensor of f32", "a per-rank string".
std::string type_text(const SavedEntry& entry) {
  const std::string_view per_rank = entry.per_rank ? "per-rank " : "";
  switch (entry.kind) {
    case SavedKind::tensor:
      return fmt::format("a tensor of {}", to_string(entry.dtype));
    case SavedKind::value:
      return fmt::format("a {}value of {}", per_rank, to_string(entry.dtype));
    default:
      return fmt::format("a {}string", per_rank);
  }
}

/// "[3, 4]: ", the indices of the element at the row-major `position`; empty for a scalar.
std::string place_text(const Shape& shape, std::uint64_t position) {
  Shape place(shape.size());
  for (std::size_t d = shape.size(); d-- > 0; position /= shape[d]) place[d] = position % shape[d];
  return shape.empty() ? std::string() : fmt::format("[{}]: ", fmt::join(place, ", "));
}

/// Counts the elements that differ in two pieces and describes the first.
void compare_piece(const SavedEntry& entry, const Bytes& a, const Bytes& b, std::uint64_t position, Difference& found) {
  const std::size_t size = size_of(entry.dtype);
  if (std::memcmp(a.data(), b.data(), a.size()) == 0) return;
  for (std::size_t at = 0; at < a.size(); at += size) {
    const std::byte *x = a.data() + at, *y = b.data() + at;
    if (std::memcmp(x, y, size) == 0) continue;
    if (found.elements++ == 0)
      found.text = fmt::format("{}{} / {}", place_text(entry.shape, position + at / size), number_text(entry.dtype, x),
                               number_text(entry.dtype, y));
    found.largest = std::max(found.largest, distance(entry.dtype, x, y));
  }
}

Difference compare_content(const Side& first, const Side& second) {
  const SavedEntry& entry = first.entry;
  const std::size_t size = size_of(entry.dtype);
  Difference found{entry.name, Difference::Aspect::content, {}, 0, 0};
  Bytes a, b;
  for (const Slab& piece : slabs(whole(entry.shape), size, piece_bytes)) {
    a.resize(piece.bytes);
    b.resize(piece.bytes);
    first.read(piece.box, a);
    second.read(piece.box, b);
    compare_piece(entry, a, b, piece.begin_bytes / size, found);
  }
  return found;
}

/// Strings differ as a whole, in length or in content.
Difference compare_strings(const Side& first, const Side& second) {
  const std::string& name = first.entry.name;
  const bool equal = first.entry.shape == second.entry.shape && compare_content(first, second).elements == 0;
  if (equal) return {name, Difference::Aspect::content, {}, 0, 0};
  return {name, Difference::Aspect::content, fmt::format("{} / {}", first.text(), second.text()), 1, 0};
}

/// (rank, elements) of a per-rank value, without ranks that have none.
std::vector<std::pair<int, std::uint64_t>> lengths(const Side& side) {
  std::vector<std::pair<int, std::uint64_t>> result;
  for (const SavedBox& box : side.file.boxes(side.entry.name))
    if (!empty(box.extent)) result.emplace_back(box.rank, volume(box.extent));
  std::ranges::sort(result);
  return result;
}

/// The difference of two entries of one name; without text if they are equal.
Difference compare(const Side& first, const Side& second) {
  const SavedEntry &a = first.entry, &b = second.entry;
  if (type_text(a) != type_text(b))
    return {a.name, Difference::Aspect::type, fmt::format("{} / {}", type_text(a), type_text(b)), 0, 0};
  if (a.per_rank && lengths(first) != lengths(second))
    return {a.name, Difference::Aspect::shape, fmt::format("{} / {}", first.text(), second.text()), 0, 0};
  if (a.kind == SavedKind::string) return compare_strings(first, second);
  if (a.shape != b.shape)
    return {a.name, Difference::Aspect::shape, fmt::format("{} / {}", to_string(a.shape), to_string(b.shape)), 0, 0};
  return compare_content(first, second);
}

void report_absent(const CheckpointReader& from, const CheckpointReader& in, Difference::Aspect kind,
                   DiffReport& report) {
  for (const SavedEntry& entry : from.entries())
    if (in.find(entry.name) == nullptr)
      report.differences.push_back(
          {entry.name, kind, fmt::format("{} {}", type_text(entry), to_string(entry.shape)), 0, 0});
}

}  // namespace

/// Without verifying: that would read each chunk again for each piece of it.
DiffReport diff(const std::filesystem::path& first_path, const std::filesystem::path& second_path) {
  const CheckpointReader first(first_path, {.verify = false}), second(second_path, {.verify = false});
  DiffReport report;
  for (const SavedEntry& entry : first.entries()) {
    const SavedEntry* const other = second.find(entry.name);
    if (other == nullptr) continue;
    if (entry.per_rank && first.info().world_size != second.info().world_size) continue;
    ++report.compared;
    Difference found = compare({first, entry}, {second, *other});
    if (!found.text.empty()) report.differences.push_back(std::move(found));
  }
  report_absent(first, second, Difference::Aspect::only_in_first, report);
  report_absent(second, first, Difference::Aspect::only_in_second, report);
  std::ranges::sort(report.differences, {}, &Difference::name);
  return report;
}

}  // namespace holdfast::inspect
