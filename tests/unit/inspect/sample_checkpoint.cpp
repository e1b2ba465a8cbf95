#include "sample_checkpoint.hpp"

#include <gtest/gtest.h>
#include <mpi.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <numeric>
#include <stdexcept>

#include "storage/directory/checkpoint_store.hpp"
#include "storage/write/hdf5_file.hpp"

namespace holdfast::test {
namespace {

/// Writing needs MPI; a program that is started alone is a world of one.
class MpiEnvironment : public testing::Environment {
  void SetUp() override { MPI_Init(nullptr, nullptr); }
  void TearDown() override { MPI_Finalize(); }
};
[[maybe_unused]] const auto* const environment = testing::AddGlobalTestEnvironment(new MpiEnvironment);

}  // namespace

Bytes bytes_of(const std::string& text) {
  return bytes_of(std::vector<char>(text.begin(), text.end()));
}

void SampleCheckpoint::dataset(plan::Dataset definition) {
  datasets_.push_back(std::move(definition));
}

void SampleCheckpoint::chunk(int rank, Box box, Bytes content) {
  parts_.push_back({static_cast<std::uint32_t>(datasets_.size() - 1), rank, std::move(box), std::move(content)});
}

void SampleCheckpoint::tensor(const std::string& name, DType dtype, const Shape& global, const Bytes& content) {
  dataset({name, plan::DatasetKind::tensor, dtype, global});
  const auto boxes = split(whole(global), static_cast<std::size_t>(world_size_));
  std::size_t at = 0;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const std::size_t size = volume(boxes[i].extent) * size_of(dtype);
    const auto* first = content.data() + at;
    chunk(static_cast<int>(i), boxes[i], Bytes(first, first + size));
    at += size;
  }
}

void SampleCheckpoint::value(const std::string& name, DType dtype, const Shape& shape, const Bytes& content) {
  dataset({name, plan::DatasetKind::value, dtype, shape});
  chunk(0, whole(shape), content);
}

void SampleCheckpoint::string(const std::string& name, const std::string& text) {
  dataset({name, plan::DatasetKind::string, DType::u8, {text.size()}});
  chunk(0, whole({text.size()}), bytes_of(text));
}

void SampleCheckpoint::per_rank(const std::string& name, DType dtype, const std::vector<Bytes>& contents) {
  const std::size_t bytes = std::accumulate(contents.begin(), contents.end(), std::size_t{0},
                                            [](std::size_t sum, const Bytes& part) { return sum + part.size(); });
  dataset({name, plan::DatasetKind::per_rank, dtype, {bytes / size_of(dtype)}});
  std::uint64_t at = 0;
  for (std::size_t rank = 0; rank < contents.size(); ++rank) {
    const std::uint64_t count = contents[rank].size() / size_of(dtype);
    chunk(static_cast<int>(rank), {{at}, {count}}, contents[rank]);
    at += count;
  }
}

void SampleCheckpoint::per_rank_strings(const std::string& name, const std::vector<std::string>& texts) {
  std::vector<Bytes> contents;
  for (const std::string& text : texts) contents.push_back(bytes_of(text));
  per_rank(name, DType::u8, contents);
  datasets_.back().kind = plan::DatasetKind::per_rank_string;
}

std::filesystem::path SampleCheckpoint::save(const std::filesystem::path& directory, std::int64_t step,
                                             std::int64_t sequence, std::int64_t parent) const {
  const auto comm = mpi::Communicator::duplicate(MPI_COMM_SELF);
  storage::CheckpointStore store(comm, storage::make_posix_filesystem(), storage::make_checkpoint_file(comm),
                                 {.directory = directory, .nonce = "test", .holder = "a test"});
  storage::SaveRequest request{.step = step,
                               .sequence = sequence,
                               .parent = parent,
                               .world_size = world_size_,
                               .datasets = datasets_,
                               .chunks = {}};
  for (const Part& part : parts_) request.chunks.push_back({part.dataset, part.box, part.rank, part.content});
  return store.save(request).path;
}

SampleCheckpoint small_sample() {
  SampleCheckpoint sample;
  std::vector<float> weight(12);
  std::iota(weight.begin(), weight.end(), 0.0f);
  sample.tensor("model/weight", DType::f32, {4, 3}, bytes_of(weight));
  sample.tensor("model/bias", DType::bf16, {3}, bytes_of(std::vector<std::uint16_t>(3, 0x3f80)));
  sample.value("epoch", DType::i64, {}, bytes_of(std::vector<std::int64_t>{7}));
  sample.value("rate", DType::f64, {}, bytes_of(std::vector<double>{0.5}));
  sample.string("note", "hello");
  sample.per_rank("seed", DType::u64,
                  {bytes_of(std::vector<std::uint64_t>{100}), bytes_of(std::vector<std::uint64_t>{101})});
  return sample;
}

void flip_byte(const std::filesystem::path& file, const Bytes& content) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(stream)), {});
  const std::string wanted(reinterpret_cast<const char*>(content.data()), content.size());
  const std::size_t at = all.find(wanted);
  if (at == std::string::npos || all.find(wanted, at + 1) != std::string::npos)
    throw std::runtime_error("the content does not stand in the file just once");
  stream.clear();
  stream.seekp(static_cast<std::streamoff>(at + wanted.size() / 2));
  stream.put(static_cast<char>(all[at + wanted.size() / 2] ^ 0x10));
}

}  // namespace holdfast::test
