#include "sample_save.hpp"

#include <fmt/format.h>

#include "base/checksum.hpp"
#include "storage/read/source.hpp"

namespace holdfast::storage::test {
namespace {

using plan::Dataset;
using plan::DatasetKind;

/// Row-major position of the box's element number `index` in the whole.
std::uint64_t position_of(std::uint64_t index, const Box& box, const Shape& global) {
  std::uint64_t position = 0, stride = 1;
  for (std::size_t d = box.dimensions(); d-- > 0;) {
    position += (box.offset[d] + index % box.extent[d]) * stride;
    index /= box.extent[d];
    stride *= global[d];
  }
  return position;
}

std::string first_difference(const Source& reader, const SampleSave& save) {
  for (std::uint32_t i = 0; i < save.datasets().size(); ++i) {
    const Dataset& expected = save.datasets()[i];
    if (reader.datasets()[i] != expected) return fmt::format("dataset {} is not what was saved", expected.name);
    if (reader.names().find(expected.name) != i) return fmt::format("{} is not found", expected.name);
    const Bytes wanted = save.content(i, whole(expected.global));
    Bytes read(wanted.size());
    reader.read(i, whole(expected.global), read.data());
    if (read != wanted) return fmt::format("the content of {} differs", expected.name);
  }
  for (const ChunkRecord& chunk : reader.chunks()) reader.verify(chunk);
  return {};
}

}  // namespace

std::byte pattern(std::uint64_t salt, std::uint64_t position, DType dtype) {
  const auto value = static_cast<unsigned>(position * 37 + salt * 101 + (position >> 8) * 11) & 0xffU;
  return static_cast<std::byte>(dtype == DType::boolean ? value & 1U : value);
}

SampleSave SampleSave::of_everything(int writers) {
  SampleSave save(writers);
  for (int i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    save.add({fmt::format("dtypes/{}", to_string(dtype)), DatasetKind::tensor, dtype, {7, 5}});
  }
  save.add({"model/rows", DatasetKind::tensor, DType::f32, {601, 700}});
  save.add({"model/deep/cube", DatasetKind::tensor, DType::f64, {3, 111, 513}});
  const auto columns = [&] {
    std::vector<std::optional<Box>> boxes;
    for (Box& part : split({{0}, {1001}}, static_cast<std::size_t>(writers)))
      boxes.push_back(Box{{0, part.offset[0]}, {300, part.extent[0]}});
    return boxes;
  };
  save.add({"model/columns", DatasetKind::tensor, DType::f32, {300, 1001}}, columns());
  save.add_alone({"model/one writer", DatasetKind::tensor, DType::bf16, {1 << 20}}, writers - 1);
  save.add({"scalar", DatasetKind::tensor, DType::c128, {}});
  save.add({"empty", DatasetKind::tensor, DType::f32, {0, 4}});
  save.add_alone({"epoch", DatasetKind::value, DType::i64, {}}, 0);
  save.add_alone({"losses", DatasetKind::value, DType::f64, {11}}, writers - 1);
  save.add_alone({"nothing", DatasetKind::value, DType::u8, {0}}, 0);
  save.add_alone({"text/title", DatasetKind::string, DType::u8, {40}}, writers - 1);
  save.add({"text/long", DatasetKind::string, DType::u8, {5000}});
  save.add_alone({"text/empty", DatasetKind::string, DType::u8, {0}}, 0);
  std::vector<std::optional<Box>> own;  // writer 0 has nothing of its own, the others one more each
  std::uint64_t end = 0;
  for (int writer = 0; writer < writers; end += static_cast<std::uint64_t>(writer++))
    own.emplace_back(Box{{end}, {static_cast<std::uint64_t>(writer)}});
  save.add({"rng", DatasetKind::per_rank, DType::u32, {end}}, own);
  save.add({"names", DatasetKind::per_rank_string, DType::u8, {end}}, own);
  return save;
}

void SampleSave::add(Dataset dataset) {
  std::vector<std::optional<Box>> boxes;
  for (Box& box : split(whole(dataset.global), static_cast<std::size_t>(writers_))) boxes.emplace_back(std::move(box));
  add(std::move(dataset), std::move(boxes));
}

void SampleSave::add(Dataset dataset, std::vector<std::optional<Box>> boxes) {
  boxes.resize(static_cast<std::size_t>(writers_));
  datasets_.push_back(std::move(dataset));
  boxes_.push_back(std::move(boxes));
}

void SampleSave::add_alone(Dataset dataset, int writer) {
  std::vector<std::optional<Box>> boxes(static_cast<std::size_t>(writers_));
  boxes.at(static_cast<std::size_t>(writer)) = whole(dataset.global);
  add(std::move(dataset), std::move(boxes));
}

std::uint64_t SampleSave::bytes() const {
  std::uint64_t sum = 0;
  for (const Dataset& dataset : datasets_) sum += volume(dataset.global) * size_of(dataset.dtype);
  return sum;
}

SaveRequest SampleSave::request(std::int64_t step, int writer) {
  SaveRequest request{
      .step = step, .plan = checksum(encode(datasets_)), .world_size = writers_, .datasets = datasets_, .chunks = {}};
  for (std::uint32_t i = 0; i < datasets_.size(); ++i) {
    const auto& box = boxes_[i].at(static_cast<std::size_t>(writer));
    if (!box) continue;
    memory_.push_back(content(i, *box));
    request.chunks.push_back({.dataset = i, .box = *box, .rank = writer, .bytes = memory_.back()});
  }
  return request;
}

Bytes SampleSave::content(std::uint32_t index, const Box& box) const {
  const Dataset& dataset = datasets_[index];
  const std::size_t element_bytes = size_of(dataset.dtype);
  Bytes bytes(volume(box.extent) * element_bytes);
  for (std::uint64_t i = 0; i < bytes.size(); ++i)
    bytes[i] = pattern(index, position_of(i / element_bytes, box, dataset.global) * element_bytes + i % element_bytes,
                       dataset.dtype);
  return bytes;
}

std::string mistake(const std::filesystem::path& file, const SampleSave& save, std::int64_t step) {
  try {
    const auto reader_source = open_whole(file);
    const Source& reader = *reader_source;
    if (reader.info().step != step) return fmt::format("the step is {}", reader.info().step);
    if (reader.datasets().size() != save.datasets().size()) return "the number of datasets differs";
    return first_difference(reader, save);
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace holdfast::storage::test
