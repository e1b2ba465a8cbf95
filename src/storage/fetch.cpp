#include "storage/fetch.hpp"

#include <algorithm>

#include "base/error_text.hpp"
#include "storage/extents.hpp"
#include "tensor/runs.hpp"

namespace holdfast::storage {
namespace {

/// So that a box of many short runs takes little memory.
constexpr std::size_t most_pieces = 4096;

/// A box of a dataset as strided "memory" that begins at address 0: its distances are those in the file.
StridedMemory in_file(const plan::Dataset& dataset, const Box& box) {
  const auto element = static_cast<std::int64_t>(element_bytes(dataset));
  StridedMemory memory{.data = nullptr, .extent = box.extent, .stride_bytes = packed_strides(dataset.global)};
  memory.element_bytes = static_cast<std::size_t>(element);
  for (std::int64_t& stride : memory.stride_bytes) stride *= element;
  return memory;
}

}  // namespace

Fetch::Fetch(const CheckpointReader& file, PageCache page_cache) : file_(file), reader_(file.source(), page_cache) {}

void Fetch::add(std::uint32_t index, const Box& box, const StridedMemory& to, Checksum* sum) {
  const plan::Dataset& dataset = file_.datasets().at(index);
  const std::uint64_t offset = Placed{dataset, file_.address_of(index)}.offset_of(box.offset);
  const StridedMemory file = in_file(dataset, box);
  const CommonRuns runs(file, to.data == nullptr ? file : to);
  runs.for_each([&](std::int64_t in_file, std::int64_t in_memory) {
    if (pieces_.size() >= most_pieces) run();
    pieces_.push_back({.offset = offset + static_cast<std::uint64_t>(in_file),
                       .bytes = runs.bytes(),
                       .to = to.data == nullptr ? nullptr : to.data + in_memory,
                       .sum = sum});
  });
}

void Fetch::run() {
  std::vector<Piece> pieces = std::move(pieces_);
  pieces_.clear();
  std::ranges::stable_sort(pieces, {}, &Piece::offset);
  try {
    reader_.read(pieces);
  } catch (...) {
    throw current_error(
        {.rank = -1, .host = host_name(), .path = file_.info().path.string(), .tensor = file_.dataset_at(reader_.failed_at())});
  }
}

}  // namespace holdfast::storage
