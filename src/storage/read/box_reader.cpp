#include "storage/read/box_reader.hpp"

#include <algorithm>
#include <utility>

#include "base/error_text.hpp"
#include "storage/format/extents.hpp"
#include "tensor/runs.hpp"
#include "tensor/slabs.hpp"

namespace holdfast::storage {
namespace {

/// Bounds the memory for a box of many short runs.
constexpr std::size_t most_pieces = 4096;
/// Bounds the memory for what is decoded.
constexpr std::uint64_t most_decoded_bytes = 16 << 20;

}  // namespace

void BoxReader::add(std::uint32_t index, const Box& box, const StridedMemory& to, Checksum* sum) {
  if (source_.is_encoded(index)) return decode(index, box, to, sum);
  PartReader& part = reader_at(source_.position_of(index));
  const Placed dataset{source_.datasets().at(index), source_.position_of(index) - part.begin};
  const std::uint64_t offset = dataset.offset_of(box.offset);
  const StridedMemory file = dataset.strided(box);
  const CommonRuns runs(file, to.data == nullptr ? file : to);
  runs.for_each([&](std::int64_t in_file, std::int64_t in_memory) {
    if (part.pieces.size() >= most_pieces) start(part);
    part.pieces.push_back({.offset = offset + static_cast<std::uint64_t>(in_file),
                           .bytes = runs.bytes(),
                           .to = to.data == nullptr ? nullptr : to.data + in_memory,
                           .sum = sum});
  });
}

void BoxReader::start() {
  for (auto& [begin, part] : parts_) start(part);
}

void BoxReader::run() {
  start();
  for (auto& [begin, part] : parts_) or_explain(part, [&reader = part.reader] { reader.finish(); });
}

std::uint64_t BoxReader::bytes_read() const noexcept {
  std::uint64_t bytes = decoded_bytes_;
  for (const auto& [begin, part] : parts_) bytes += part.reader.bytes_read();
  return bytes;
}

BoxReader::PartReader& BoxReader::reader_at(std::uint64_t position) {
  const Source::Part& part = source_.part_at(position);
  return parts_.try_emplace(part.begin, part, page_cache_).first->second;
}

void BoxReader::decode(std::uint32_t index, const Box& box, const StridedMemory& to, Checksum* sum) {
  for (const Slab& slab : slabs(box, element_bytes(source_.datasets().at(index)), most_decoded_bytes)) {
    if (decoded_.size() < slab.bytes) decoded_.resize(slab.bytes);
    source_.decode(index, slab.box, decoded_.data());
    decoded_bytes_ += slab.bytes;
    if (sum != nullptr) sum->update({decoded_.data(), slab.bytes});
    if (to.data != nullptr) unpack(decoded_.data(), part_of(to, relative(slab.box, box.offset)));
  }
}

void BoxReader::start(PartReader& part) {
  std::vector<ReadPiece> pieces = std::exchange(part.pieces, {});
  std::ranges::stable_sort(pieces, {}, &ReadPiece::offset);
  or_explain(part, [&] { part.reader.read(std::move(pieces)); });
}

template <class Function>
void BoxReader::or_explain(const PartReader& part, Function function) try {
  function();
} catch (...) {
  throw current_error({.host = host_name(),
                       .path = source_.info().path.string(),
                       .tensor = source_.dataset_at(part.begin + part.reader.failed_at())});
}

}  // namespace holdfast::storage
