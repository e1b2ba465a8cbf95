// The data path of the direct engine. A chunk is one extent of the file, or many short ones if the tensor is not cut
// along its first dimension. Extents that follow each other are written as one stretch, in blocks that end at page
// borders. Chunks of many extents are written slab by slab of the dataset. A slab that this writer holds completely is
// put together in memory first.
#include <algorithm>
#include <cstring>
#include <map>

#include "base/error_text.hpp"
#include "storage/format/extents.hpp"
#include "storage/write/data_engine.hpp"
#include "storage/write/direct_file.hpp"
#include "tensor/slabs.hpp"
#include "tensor/strided.hpp"

namespace holdfast::storage {
namespace {

using Extents = std::span<const Extent>;

/// Copies [offset, stop) of a stretch whose first extent has the byte at `offset`.
void gather(Extents stretch, std::uint64_t offset, std::uint64_t stop, std::byte* to) {
  for (auto extent = stretch.begin(); offset < stop; ++extent) {
    const std::uint64_t end = std::min(extent->end(), stop);
    std::memcpy(to, extent->at(offset), end - offset);
    to += end - offset;
    offset = end;
  }
}

/// Writes extents without gaps between them, in blocks that end at page borders.
void write_stretch(DirectFile& file, Extents stretch) {
  const std::uint64_t end = stretch.back().end();
  for (std::uint64_t offset = stretch.front().offset; offset < end;) {
    while (stretch.front().end() <= offset) stretch = stretch.subspan(1);
    const std::uint64_t stop = std::min(end, offset - offset % DirectFile::page_bytes + DirectFile::block_bytes);
    if (stretch.front().end() >= stop && DirectFile::lies_as_file(stretch.front().at(offset), offset)) {
      file.write(stretch.front().at(offset), offset, stop - offset);
    } else {
      const DirectFile::WriteBlock block = file.block(offset);
      gather(stretch, offset, stop, block.memory);
      file.write(block, offset, stop - offset);
    }
    offset = stop;
  }
}

void write_extents(DirectFile& file, std::vector<Extent>& extents) {
  std::ranges::sort(extents, {}, &Extent::offset);
  for (Extents rest = extents; !rest.empty() && !file.has_failed();) {
    std::size_t count = 1;
    while (count < rest.size() && rest[count].offset == rest[count - 1].end()) ++count;
    write_stretch(file, rest.first(count));
    rest = rest.subspan(count);
  }
}

/// The part of a slab that one chunk has. It is contiguous in the chunk's memory, as a slab is a run of the dataset.
struct Part {
  Box box;
  const std::byte* packed = nullptr;
};

/// The chunks of one dataset that have more than one extent each.
class Scattered {
 public:
  Scattered(Placed placed, std::span<const Chunk* const> chunks) : placed_(placed), chunks_(chunks) {}

  void write(DirectFile& file) const {
    for (const Slab& slab : slabs(rows(), element_, DirectFile::block_bytes)) {
      if (file.has_failed()) return;
      const std::vector<Part> parts = parts_of(slab.box);
      if (bytes_of(parts) == slab.bytes)
        write_whole(file, slab, parts);
      else
        write_in_pieces(file, parts);
    }
  }

 private:
  /// The rows of the dataset from the first to the last that any chunk has.
  [[nodiscard]] Box rows() const {
    Box rows = whole(placed_.dataset.global);
    std::uint64_t begin = rows.extent.at(0), end = 0;
    for (const Chunk* chunk : chunks_) {
      begin = std::min(begin, chunk->box.offset[0]);
      end = std::max(end, chunk->box.offset[0] + chunk->box.extent[0]);
    }
    rows.offset[0] = begin;
    rows.extent[0] = end - begin;
    return rows;
  }

  [[nodiscard]] std::vector<Part> parts_of(const Box& slab) const {
    std::vector<Part> parts;
    for (const Chunk* chunk : chunks_) {
      std::optional<Box> common = intersect(chunk->box, slab);
      if (!common) continue;
      std::uint64_t elements = 0;
      const std::vector<std::int64_t> strides = packed_strides(chunk->box.extent);
      for (std::size_t d = 0; d < common->dimensions(); ++d)
        elements += (common->offset[d] - chunk->box.offset[d]) * static_cast<std::uint64_t>(strides[d]);
      parts.push_back({*std::move(common), chunk->bytes.data() + elements * element_});
    }
    return parts;
  }

  [[nodiscard]] std::uint64_t bytes_of(std::span<const Part> parts) const {
    std::uint64_t sum = 0;
    for (const Part& part : parts) sum += volume(part.box.extent) * element_;
    return sum;
  }

  void write_whole(DirectFile& file, const Slab& slab, std::span<const Part> parts) const {
    const std::uint64_t offset = placed_.offset_of(slab.box.offset);
    const DirectFile::WriteBlock block = file.block(offset);
    for (const Part& part : parts) {
      StridedMemory to{.data = block.memory + (placed_.offset_of(part.box.offset) - offset),
                       .extent = part.box.extent,
                       .stride_bytes = packed_strides(placed_.dataset.global),
                       .element_bytes = element_};
      for (std::int64_t& stride : to.stride_bytes) stride *= static_cast<std::int64_t>(element_);
      unpack(part.packed, to);
    }
    file.write(block, offset, slab.bytes);
  }

  void write_in_pieces(DirectFile& file, std::span<const Part> parts) const {
    std::vector<Extent> extents;
    for (const Part& part : parts)
      std::ranges::move(placed_.extents(part.box, part.packed), std::back_inserter(extents));
    write_extents(file, extents);
  }

  const Placed placed_;
  const std::span<const Chunk* const> chunks_;
  const std::uint64_t element_ = element_bytes(placed_.dataset);
};

class DirectEngine final : public DataEngine {
 public:
  explicit DirectEngine(FileSettings settings)
      : settings_(std::move(settings)), limiter_(settings_.write_limit_bytes_per_s) {}

  void write(const std::filesystem::path& path, std::span<const plan::Dataset> datasets, std::span<const Chunk> chunks,
             std::span<const std::uint64_t> addresses) override {
    DirectFile file(path, limiter_);
    settings_.method = file.method();
    std::vector<Extent> extents;
    std::map<std::uint32_t, std::vector<const Chunk*>> scattered;
    for (const Chunk& chunk : chunks) {
      if (chunk.bytes.empty()) continue;
      const Placed placed{datasets[chunk.dataset], addresses[chunk.dataset]};
      if (placed.is_contiguous(chunk.box))
        extents.push_back({placed.offset_of(chunk.box.offset), chunk.bytes.data(), chunk.bytes.size()});
      else
        scattered[chunk.dataset].push_back(&chunk);
    }
    write_extents(file, extents);
    for (const auto& [dataset, parts] : scattered)
      Scattered({datasets[dataset], addresses[dataset]}, parts).write(file);
    finish(file, datasets, addresses);
  }

  [[nodiscard]] FileSettings settings() const override { return settings_; }

 private:
  /// A failure names the tensor of the failed write: the last one that begins at or before its offset.
  static void finish(DirectFile& file, std::span<const plan::Dataset> datasets,
                     std::span<const std::uint64_t> addresses) try {
    file.finish();
  } catch (...) {
    const std::uint64_t offset = file.failure() ? file.failure()->offset : 0;
    std::string tensor;
    std::uint64_t nearest = 0;
    for (std::size_t i = 0; i < addresses.size(); ++i)
      if (addresses[i] != 0 && addresses[i] <= offset && addresses[i] >= nearest) {
        nearest = addresses[i];
        tensor = datasets[i].name;
      }
    throw current_error({.tensor = tensor});
  }

  FileSettings settings_;
  RateLimiter limiter_;
};

}  // namespace

std::unique_ptr<DataEngine> make_direct_engine(FileSettings settings) {
  return std::make_unique<DirectEngine>(std::move(settings));
}

}  // namespace holdfast::storage
