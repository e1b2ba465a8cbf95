#include "storage/read/box_reader.hpp"

#include <algorithm>
#include <utility>

#include "base/error_text.hpp"
#include "storage/format/extents.hpp"
#include "tensor/runs.hpp"

namespace holdfast::storage {
namespace {

/// Bounds the memory for a box of many short runs.
constexpr std::size_t most_pieces = 4096;

}  // namespace

BoxReader::BoxReader(const CheckpointReader& file, PageCache page_cache)
    : file_(file), reader_(file.source(), page_cache) {}

void BoxReader::add(std::uint32_t index, const Box& box, const StridedMemory& to, Checksum* sum) {
  const Placed dataset{file_.datasets().at(index), file_.address_of(index)};
  const std::uint64_t offset = dataset.offset_of(box.offset);
  const StridedMemory file = dataset.strided(box);
  const CommonRuns runs(file, to.data == nullptr ? file : to);
  runs.for_each([&](std::int64_t in_file, std::int64_t in_memory) {
    if (pieces_.size() >= most_pieces) start();
    pieces_.push_back({.offset = offset + static_cast<std::uint64_t>(in_file),
                       .bytes = runs.bytes(),
                       .to = to.data == nullptr ? nullptr : to.data + in_memory,
                       .sum = sum});
  });
}

void BoxReader::start() {
  std::vector<ReadPiece> pieces = std::exchange(pieces_, {});
  std::ranges::stable_sort(pieces, {}, &ReadPiece::offset);
  or_explain([&] { reader_.read(std::move(pieces)); });
}

void BoxReader::run() {
  start();
  or_explain([&] { reader_.finish(); });
}

template <class Function>
void BoxReader::or_explain(Function function) try {
  function();
} catch (...) {
  throw current_error(
      {.host = host_name(), .path = file_.info().path.string(), .tensor = file_.dataset_at(reader_.failed_at())});
}

}  // namespace holdfast::storage
