// What the engine writes, the reader reads back, whoever writes which part.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <numeric>

#include "base/clock.hpp"
#include "every_engine.hpp"
#include "sample_save.hpp"
#include "storage/directory/catalog.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/read/source.hpp"
#include "storage/write/hdf5_file.hpp"
#include "support/mpi_fixture.hpp"
#include "wrap/hdf5_buffered_file.hpp"

namespace holdfast::storage {
namespace {

using test::mistake;
using test::SampleSave;

class RoundTrip : public testing::TestWithParam<test::EngineCase> {
 protected:
  RoundTrip()
      : store_(comm_, make_posix_filesystem(), make_checkpoint_file(comm_, engine_.settings()),
               {.directory = directory_.path() / "ckpt", .nonce = "n", .holder = "test"}) {}
  ~RoundTrip() override { comm_.free(); }

  void SetUp() override {
    if (!engine_.works_in(directory_.path()))
      GTEST_SKIP() << "this file system has no direct writes: " << directory_.path();
  }
  SaveResult save(SampleSave& sample, std::int64_t step) { return store_.save(sample.request(step, comm_.rank())); }

  const test::EngineUnderTest engine_{GetParam()};
  mpi::Communicator comm_ = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  holdfast::test::SharedDirectory directory_;
  CheckpointStore store_;
};

INSTANTIATE_TEST_SUITE_P(Engines, RoundTrip, test::every_engine(), test::name_of_case);

TEST_P(RoundTrip, EveryKindAndDtype) {
  SampleSave sample = SampleSave::of_everything(comm_.size());
  const SaveResult result = save(sample, 42);
  EXPECT_EQ(result.path, directory_.path() / "ckpt" / file_name(42));
  EXPECT_EQ(result.bytes, sample.bytes());
  EXPECT_GT(result.write_s, 0);
  // Each is the slowest writer's, which need not be the same one, so that the parts may add up to more than the whole.
  EXPECT_GE(result.total_s, result.write_s);
  EXPECT_GE(result.total_s, result.fsync_s);
  EXPECT_EQ(mistake(result.path, sample, 42), "");
}

TEST_P(RoundTrip, TheHeaderSaysWhoSavedWhen) {
  SampleSave sample = SampleSave::of_everything(comm_.size());
  const SaveResult result = save(sample, 5);
  const auto listed = list_checkpoints(result.path.parent_path());
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_TRUE(listed[0].valid()) << listed[0].problem;
  EXPECT_EQ(listed[0].step, 5);
  EXPECT_EQ(listed[0].path, result.path);
  EXPECT_EQ(listed[0].world_size, comm_.size());
  EXPECT_EQ(listed[0].file_bytes, std::filesystem::file_size(result.path));
  EXPECT_THAT(listed[0].created, testing::MatchesRegex("20..-..-..T..:..:..Z"));
}

TEST_P(RoundTrip, EveryChunkKeepsItsRow) {
  SampleSave sample = SampleSave::of_everything(comm_.size());
  const auto reader_source = open_whole(save(sample, 1).path);
  const Source& reader = *reader_source;
  const auto rng = reader.names().find("rng");
  ASSERT_TRUE(rng.has_value());
  std::vector<std::pair<int, std::uint64_t>> rows;
  for (const ChunkRecord& chunk : reader.chunks())
    if (chunk.dataset == *rng) rows.emplace_back(chunk.rank, chunk.box.extent.at(0));
  std::vector<std::pair<int, std::uint64_t>> expected;
  for (int rank = 0; rank < comm_.size(); ++rank) expected.emplace_back(rank, rank);
  EXPECT_THAT(rows, testing::UnorderedElementsAreArray(expected));
}

TEST_P(RoundTrip, AnyBoxCanBeRead) {
  SampleSave sample = SampleSave::of_everything(comm_.size());
  const auto reader_source = open_whole(save(sample, 1).path);
  const Source& reader = *reader_source;
  const auto check = [&](const char* name, const Box& box) {
    const std::uint32_t dataset = reader.names().find(name).value();
    const Bytes wanted = sample.content(dataset, box);
    Bytes read(wanted.size());
    reader.read(dataset, box, read.data());
    EXPECT_EQ(read, wanted) << name << to_string(box);
  };
  check("model/rows", {{299, 13}, {5, 500}});
  check("model/deep/cube", {{1, 17, 0}, {2, 1, 513}});
  check("model/columns", {{0, 499}, {300, 4}});
  check("text/title", {{3}, {7}});
  check("scalar", {{}, {}});
  check("empty", {{0, 1}, {0, 2}});
  EXPECT_THROW(reader.read(reader.names().find("losses").value(), {{10}, {2}}, nullptr), Error);
  EXPECT_EQ(reader.names().find("losse"), std::nullopt);
}

TEST_P(RoundTrip, ASaveOfNothing) {
  SampleSave sample(comm_.size());
  EXPECT_EQ(mistake(save(sample, 3).path, sample, 3), "");
}

/// A limit slows writing down, which only a clock can tell; there is no upper bound to hold.
TEST_P(RoundTrip, AWriterKeepsToItsLimit) {
  constexpr std::uint64_t limit = 16 << 20;
  SampleSave sample(comm_.size());
  sample.add_alone({"w", plan::DatasetKind::tensor, DType::u8, {12 << 20}}, comm_.size() - 1);
  FileSettings settings = engine_.settings();
  settings.write_limit_bytes_per_s = limit;
  CheckpointStore store(comm_, make_posix_filesystem(), make_checkpoint_file(comm_, settings),
                        {.directory = directory_.path() / "slow", .nonce = "n", .holder = "test"});
  const SaveResult result = store.save(sample.request(1, comm_.rank()));
  EXPECT_GE(result.write_s, 0.45) << "12 MiB in parts of at most 4 MiB: the last one starts after 8 MiB had their time";
  EXPECT_EQ(mistake(result.path, sample, 1), "");
}

TEST_P(RoundTrip, UnevenNumbersOfChunks) {
  // Only the last writer has chunks of the large dataset, and many of them; the others take part with nothing.
  constexpr std::uint64_t rows = 40;
  const std::vector<plan::Dataset> datasets = {{"w", plan::DatasetKind::tensor, DType::f64, {rows, 8192}}};
  const bool has_all = comm_.rank() == comm_.size() - 1;
  std::vector<double> memory(has_all ? rows * 8192 : 0);
  std::iota(memory.begin(), memory.end(), 0.0);
  SaveRequest request{.step = 9, .world_size = 1, .datasets = datasets, .chunks = {}};
  for (std::uint64_t row = 0; has_all && row < rows; ++row)
    request.chunks.push_back(
        {0,
         {{row, 0}, {1, 8192}},
         0,
         std::as_bytes(std::span(memory)).subspan(row * 8192 * sizeof(double), 8192 * sizeof(double))});
  const auto reader_source = open_whole(store_.save(request).path);
  const Source& reader = *reader_source;
  EXPECT_EQ(reader.chunks().size(), rows);
  std::vector<double> read(rows * 8192);
  reader.read(0, whole(datasets[0].global), reinterpret_cast<std::byte*>(read.data()));
  for (std::size_t i = 0; i < read.size(); ++i) ASSERT_EQ(read[i], static_cast<double>(i));
}

TEST_P(RoundTrip, ManySmallTensorsAreQuick) {
  SampleSave sample(comm_.size());
  for (int i = 0; i < 5000; ++i)
    sample.add_alone({fmt::format("layer{}/t{}", i / 50, i), plan::DatasetKind::tensor, DType::f32, {256}},
                     i % comm_.size());
  const SaveRequest request = sample.request(1, comm_.rank());
  const Stopwatch watch;
  const SaveResult result = store_.save(request);
  RecordProperty("seconds", std::to_string(watch.seconds()));
  if (comm_.rank() == 0)
    std::printf("5000 datasets of 1 KiB: %.3f s, of which fsync %.3f s\n", watch.seconds(), result.fsync_s);
  EXPECT_EQ(mistake(result.path, sample, 1), "");
}

TEST_P(RoundTrip, ANameThatIsADatasetAndAGroupIsAnErrorOnAll) {
  SampleSave sample(comm_.size());
  sample.add_alone({"a", plan::DatasetKind::tensor, DType::f32, {4}}, 0);
  sample.add_alone({"a/b", plan::DatasetKind::tensor, DType::f32, {4}}, 0);
  holdfast::test::expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"a/b", "H5Gcreate2"},
                                    [&] { save(sample, 1); });
  SampleSave good = SampleSave::of_everything(comm_.size());
  EXPECT_EQ(mistake(save(good, 2).path, good, 2), "");
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// HDF5 is the reference. A file that is made in an older one's place has nothing left of that.
TEST_P(RoundTrip, TheFileIsByteForByteTheOneThatHdf5Writes) {
  SampleSave sample = SampleSave::of_everything(comm_.size());
  sample.add({"wide rows", plan::DatasetKind::tensor, DType::f32, {96, 40000}});  // several blocks for each writer
  sample.add_alone({"unaligned", plan::DatasetKind::tensor, DType::u8, {(5 << 20) + 3}}, comm_.size() - 1);
  const SaveRequest request = sample.request(7, comm_.rank());
  SaveRequest older = request;
  older.step = 6;
  Bytes other(sample.bytes(), std::byte{0xA5});
  for (Chunk& chunk : older.chunks) chunk.bytes = std::span(other).first(chunk.bytes.size());
  const auto write_by = [&](FileSettings settings, FileSpace space) {
    const std::filesystem::path path = directory_.path() / "file.h5";
    const auto engine = make_checkpoint_file(comm_, std::move(settings));
    if (space == FileSpace::recycled) {
      engine->make(path, older, {.created = "2025-12-31T23:59:59Z", .lineage = {}}, FileSpace::fresh);
      engine->write(path, older, older.chunks);
      engine->finish(path);
    }
    engine->make(path, request, {.created = "2026-01-01T00:00:00Z", .lineage = {}}, space);
    engine->write(path, request, request.chunks);
    engine->finish(path);
    comm_.barrier();
    std::string content = content_of(path);
    comm_.barrier();
    return content;
  };
  const std::string reference = write_by({.engine = Engine::mpi_io}, FileSpace::fresh);
  ASSERT_GT(reference.size(), sample.bytes());
  for (const FileSpace space : {FileSpace::fresh, FileSpace::recycled}) {
    const std::string written = write_by(engine_.settings(), space);
    ASSERT_EQ(written.size(), reference.size());
    EXPECT_EQ(std::ranges::mismatch(written, reference).in1 - written.begin(), std::ssize(reference))
        << "the first place that differs" << (space == FileSpace::recycled ? " of a recycled file" : "");
  }
}

}  // namespace
}  // namespace holdfast::storage
