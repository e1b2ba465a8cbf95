#include "storage/read/source.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/checksum.hpp"
#include "base/error_text.hpp"
#include "storage/format/extents.hpp"
#include "storage/read/box_reader.hpp"
#include "storage/read/hdf5_source.hpp"
#include "storage/read/safetensors_source.hpp"

namespace holdfast::storage {

std::unique_ptr<Source> open_source(const std::filesystem::path& path, FilterPlugins plugins) {
  if (SafetensorsSource::is_at(path)) return std::make_unique<SafetensorsSource>(path);
  return std::make_unique<Hdf5Source>(path, plugins);
}

std::unique_ptr<const Source> open_whole(const std::filesystem::path& path, FilterPlugins plugins) {
  std::unique_ptr<Source> source = open_source(path, plugins);
  source->read_chunks(Interests(source->datasets().size(), Interest{}));
  return source;
}

const Source::Part& Source::part_at(std::uint64_t position) const {
  const auto next = std::ranges::upper_bound(parts_, position, {}, &Part::begin);
  return *std::prev(next);
}

void Source::decode(std::uint32_t dataset, const Box& /*box*/, std::byte* /*packed*/) const {
  throw Error(ErrorCode::internal, "a dataset that is not encoded cannot be decoded",
              {.tensor = datasets().at(dataset).name});
}

std::string Source::dataset_at(std::uint64_t position) const {
  std::string name;
  std::uint64_t nearest = 0;
  for (std::size_t i = 0; i < positions_.size(); ++i) {
    const std::uint64_t begin = positions_[i];
    if (begin == 0 || begin > position || begin < nearest) continue;
    nearest = begin;
    name = datasets_[i].name;
  }
  return name;
}

void Source::read(std::uint32_t index, const Box& box, std::byte* packed) const {
  const plan::Dataset& dataset = datasets().at(index);
  if (!inside(box, dataset.global))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} is outside of {}", to_string(box), to_string(dataset.global)),
                {.host = host_name(), .path = info().path.string(), .tensor = dataset.name});
  if (empty(box)) return;
  BoxReader reader(*this, PageCache::fill);
  reader.add(index, box, packed_memory(packed, box, element_bytes(dataset)));
  reader.run();
}

void Source::verify(const ChunkRecord& chunk) const {
  Checksum sum;
  if (!empty(chunk.box)) {
    BoxReader reader(*this, PageCache::avoid);
    reader.add(chunk.dataset, chunk.box, {}, &sum);
    reader.run();
  }
  check_sum(chunk, sum.value());
}

void Source::check_sum(const ChunkRecord& chunk, std::uint64_t sum) const {
  if (sum == chunk.checksum) return;
  throw Error(ErrorCode::corrupt,
              fmt::format("the bytes of {} are not those that rank {} saved", to_string(chunk.box), chunk.rank),
              {.host = host_name(), .path = info().path.string(), .tensor = datasets().at(chunk.dataset).name});
}

const Source::Part& Source::add_part(const std::filesystem::path& path) {
  Part& part = parts_.emplace_back(path, end_);
  end_ += part.file.bytes();
  return part;
}

void Source::set_datasets(std::vector<plan::Dataset> datasets, std::vector<std::uint64_t> positions) {
  datasets_ = std::move(datasets);
  positions_ = std::move(positions);
  names_.emplace(datasets_);
}

void Source::set_encoded(std::uint32_t dataset) {
  encoded_.resize(datasets_.size());
  encoded_[dataset] = true;
  positions_[dataset] = end_;
  end_ += volume(datasets_[dataset].global) * element_bytes(datasets_[dataset]);
}

}  // namespace holdfast::storage
