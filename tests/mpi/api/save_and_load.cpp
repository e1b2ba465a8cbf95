// One program saves and loads: every kind of state, cached plans, waiting, skipping, overlapping, both transports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <holdfast/checkpoint_reader.hpp>
#include <holdfast/checkpointer.hpp>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/copy_ways.hpp"
#include "base/stream_copy.hpp"
#include "support/mpi_fixture.hpp"
#include "support/sample_tensor.hpp"

namespace holdfast::test {
namespace {

/// A rank's part of `rows` x `columns` floats, split by rows.
Box rows_of(int rank, int ranks, std::uint64_t rows, std::uint64_t columns) {
  const auto r = static_cast<std::uint64_t>(rank), n = static_cast<std::uint64_t>(ranks);
  const std::uint64_t first = rows * r / n, last = rows * (r + 1) / n;
  return {{first, 0}, {last - first, columns}};
}

class SaveAndLoad : public testing::Test {
 protected:
  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory directory_;

  SampleTensor rows(const std::string& name, std::uint64_t rows, std::uint64_t seed, std::uint64_t columns = 16) {
    SampleTensor tensor(name, DType::f32, {rows, columns}, rows_of(rank_, ranks_, rows, columns), seed);
    tensor.fill();
    return tensor;
  }
  Options options() { return {.directory = directory_.path() / "ckpt"}; }
};

/// Everything that a StateDict can hold besides tensors.
struct Values {
  std::int64_t epoch = 0;
  float rate = 0;
  bool warm = false;
  std::string note;
  std::vector<std::byte> blob;
  std::vector<double> history;
  std::string own;
  std::vector<std::byte> rng;
  std::uint32_t mine = 0;

  void add_to(StateDict& state) {
    state.add("epoch", epoch);
    state.add("optimizer/rate", rate);
    state.add("warm", warm);
    state.add("note", note);
    state.add("blob", blob);
    state.add("history", history);
    state.add_per_rank("own", own);
    state.add_per_rank("rng", rng);
    state.add_per_rank("mine", mine);
  }
  static Values of(int rank, std::int64_t epoch) {
    Values v{.epoch = epoch,
             .rate = 0.1F,
             .warm = true,
             .note = std::string("tab\t\0nul äöü", 14),
             .blob = std::vector<std::byte>(5, std::byte{7}),
             .history = {1.5, -2.5},
             .own = std::string(static_cast<std::size_t>(rank) * 3, 'x'),
             .rng = {},
             .mine = static_cast<std::uint32_t>(rank + 100)};
    v.rng.assign(static_cast<std::size_t>(rank % 2 == 0 ? 0 : 8), std::byte(rank));
    return v;
  }
  bool operator==(const Values&) const = default;
};

TEST_F(SaveAndLoad, EveryKindOfState) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  EXPECT_FALSE(checkpointer.latest().has_value());
  auto weight = rows("model/weight", 37, 1);
  SampleTensor bias("model/bias", DType::f64, {5}, whole({5}), 2);
  bias.fill();
  Values values = Values::of(rank_, 12);
  StateDict state;
  state.add(weight.name(), weight.view());
  state.add(bias.name(), bias.view());
  values.add_to(state);
  const SaveStats stats = checkpointer.async_save(12, state).wait();
  EXPECT_EQ(stats.step, 12);
  EXPECT_TRUE(std::filesystem::exists(stats.path)) << stats.path;
  EXPECT_GE(stats.bytes, 37U * 16 * 4 + 5 * 8);
  EXPECT_EQ(checkpointer.latest(), 12);

  weight.clear();
  bias.clear();
  values = Values{};
  const LoadReport report = checkpointer.load(state);
  EXPECT_EQ(report.step, 12);
  EXPECT_EQ(report.saved_by_ranks, ranks_);
  EXPECT_EQ(weight.mistake(), "");
  EXPECT_EQ(bias.mistake(), "");
  EXPECT_EQ(values, Values::of(rank_, 12));
  checkpointer.close();
}

TEST_F(SaveAndLoad, PlanIsKeptWhileTheLayoutStays) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  auto weight = rows("w", 40, 1);
  std::vector<double> history = {1};
  StateDict state;
  state.add(weight.name(), weight.view());
  state.add("history", history);
  EXPECT_FALSE(checkpointer.async_save(0, state).wait().plan_cached);
  history[0] = 2;
  EXPECT_TRUE(checkpointer.async_save(1, state).wait().plan_cached);
  history.push_back(3);
  EXPECT_FALSE(checkpointer.async_save(2, state).wait().plan_cached);
  history = {};
  checkpointer.load(state, {.step = 1});
  EXPECT_EQ(history, std::vector<double>{2});
  checkpointer.load(state);
  EXPECT_EQ(history, (std::vector<double>{2, 3}));
  checkpointer.close();
}

TEST_F(SaveAndLoad, WarmUpLeavesNothingToPlan) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  auto weight = rows("w", 40, 1);
  StateDict state;
  state.add(weight.name(), weight.view());
  checkpointer.warm_up(state);
  EXPECT_FALSE(checkpointer.latest().has_value());
  EXPECT_TRUE(checkpointer.async_save(3, state).wait().plan_cached);
  checkpointer.close();
}

TEST_F(SaveAndLoad, TensorsMayChangeWhenAsyncSaveReturns) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  auto weight = rows("w", 4096, 1, 256);
  std::int64_t epoch = 5;
  StateDict state;
  state.add(weight.name(), weight.view());
  state.add("epoch", epoch);
  std::vector<SaveFuture> saves;
  for (int step = 0; step < 4; ++step) {
    weight.fill();
    epoch = step;
    saves.push_back(checkpointer.async_save(step, state));
    weight.clear();
    epoch = -1;
  }
  for (const SaveFuture& save : saves) save.wait();
  for (int step = 0; step < 4; ++step) {
    weight.clear();
    checkpointer.load(state, {.step = step});
    EXPECT_EQ(weight.mistake(), "");
    EXPECT_EQ(epoch, step);
  }
  checkpointer.close();
}

TEST_F(SaveAndLoad, OverlappedStagingCopiesValuesAtOnceAndTensorsUntilWaitStaged) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  auto weight = rows("w", 4096, 1, 256);
  std::int64_t epoch = 5;
  StateDict state;
  state.add(weight.name(), weight.view());
  state.add("epoch", epoch);
  const SaveFuture save = checkpointer.async_save(1, state, {.overlap_staging = true});
  epoch = 6;
  save.wait_staged();
  weight.clear();
  const SaveStats stats = save.wait();
  EXPECT_GT(stats.stage_s, 0);
  checkpointer.load(state);
  EXPECT_EQ(weight.mistake(), "");
  EXPECT_EQ(epoch, 5);
  checkpointer.close();
}

TEST_F(SaveAndLoad, StridedMemoryIsPackedAndGhostsStay) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  SampleTensor field("field", DType::f64, {24, 10}, rows_of(rank_, ranks_, 24, 10), 3, 2);
  field.fill();
  StateDict state;
  state.add(field.name(), field.view());
  checkpointer.async_save(1, state).wait();
  field.clear();
  checkpointer.load(state);
  EXPECT_EQ(field.mistake(), "");
  checkpointer.close();
}

/// The helper of a Checkpointer is busy as long as one of its saves is not ready; then the third save finds no arena.
TEST_F(SaveAndLoad, BackPressureIsTheSameOnAllRanks) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  auto weight = rows("w", 32768, 1, 512);  // 64 MiB in all: longer to make durable than to stage
  StateDict state;
  state.add(weight.name(), weight.view());
  checkpointer.warm_up(state);
  int skipped = 0, failed = 0;
  for (int step = 0; step < 12; ++step) {
    const SaveFuture save = checkpointer.async_save(step, state, {.when_busy = WhenBusy::skip});
    EXPECT_TRUE(all_true(MPI_COMM_WORLD, save.skipped()) || all_true(MPI_COMM_WORLD, !save.skipped()));
    if (save.skipped()) {
      ++skipped;
      EXPECT_EQ(save.wait().bytes, 0U);
    }
    try {
      checkpointer.async_save(100 + step, state, {.when_busy = WhenBusy::fail});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::busy);
      ++failed;
    }
    EXPECT_TRUE(all_true(MPI_COMM_WORLD, true));
  }
  EXPECT_GT(skipped + failed, 0) << "24 saves of 64 MiB in a row never found both arenas in use";
  EXPECT_FALSE(checkpointer.async_save(1000, state).skipped());
  checkpointer.close();
}

TEST_F(SaveAndLoad, ForcedPutSavesTheSameBytes) {
  Options put = options();
  put.transport = Transport::put;
  Checkpointer checkpointer(MPI_COMM_WORLD, put);
  auto weight = rows("w", 3000, 1, 100);
  StateDict state;
  state.add(weight.name(), weight.view());
  for (int step = 0; step < 5; ++step) checkpointer.async_save(step, state, {.overlap_staging = step % 2 == 1}).wait();
  weight.clear();
  checkpointer.load(state);
  EXPECT_EQ(weight.mistake(), "");
  checkpointer.close();
}

TEST_F(SaveAndLoad, RetentionKeepsTheNewestAndEveryNth) {
  Options keep = options();
  keep.keep_last = 2;
  keep.keep_every = 5;
  Checkpointer checkpointer(MPI_COMM_WORLD, keep);
  auto weight = rows("w", 8, 1);
  StateDict state;
  state.add(weight.name(), weight.view());
  for (int step = 1; step <= 9; ++step) checkpointer.async_save(step, state).wait();
  std::vector<std::int64_t> steps;
  for (const CheckpointInfo& info : list_checkpoints(keep.directory)) {
    EXPECT_TRUE(info.valid()) << info.problem;
    steps.push_back(info.step);
  }
  EXPECT_EQ(steps, (std::vector<std::int64_t>{5, 8, 9}));
  EXPECT_EQ(std::filesystem::read_symlink(keep.directory / "latest"), "step-000000000009.h5");
  checkpointer.close();
}

TEST_F(SaveAndLoad, EventLogHasALinePerSaveAndLoad) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  auto weight = rows("w", 8, 1);
  StateDict state;
  state.add(weight.name(), weight.view());
  const std::string copy = broadcast_text(copy_in_words(), 0, MPI_COMM_WORLD);
  checkpointer.async_save(1, state).wait();
  checkpointer.async_save(2, state).wait();
  checkpointer.load(state);
  checkpointer.close();
  std::ifstream log(options().directory / "events.jsonl");
  std::vector<nlohmann::json> events;
  for (std::string line; std::getline(log, line);) events.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[0].at("event"), "settings");
  EXPECT_EQ(events[0].at("copy"), copy) << "which such small saves do not change";
  EXPECT_EQ(events[1].at("event"), "save");
  EXPECT_EQ(events[2].at("step"), 2);
  EXPECT_GT(events[2].at("bytes"), 0);
  EXPECT_EQ(events[3].at("event"), "load");
}

/// A trial takes seven blocks of 256 KiB for each way.
TEST_F(SaveAndLoad, EventLogTellsThatTheWayOfCopyingIsMeasured) {
  if (copy_ways().size() < 3) GTEST_SKIP() << "this processor has no two ways to choose from";
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  std::vector<double> numbers(2 << 20);
  const auto row = static_cast<std::uint64_t>(rank_), rows = static_cast<std::uint64_t>(ranks_);
  StateDict state;
  state.add("numbers", shard(numbers.data(), DType::f64,
                             {.global = {rows, numbers.size()}, .offset = {row, 0}, .extent = {1, numbers.size()}}));
  for (int step = 1; step <= 2; ++step) checkpointer.async_save(step, state).wait();
  checkpointer.close();
  std::string copy;
  std::ifstream log(options().directory / "events.jsonl");
  for (std::string line; std::getline(log, line);)
    if (const auto event = nlohmann::json::parse(line); event.at("event") == "settings") copy = event.at("copy");
  EXPECT_THAT(copy, testing::MatchesRegex("[a-z0-9_]+, measured"));
}

/// The way stays in force for the process, so the end of the test goes back to the one that is found out.
TEST_F(SaveAndLoad, RanksCopyInTheWayThatTheEnvironmentNames) {
  setenv("HOLDFAST_COPY", "memcpy", 1);
  auto weight = rows("weight", 4096, 9, 256);
  StateDict state;
  state.add(weight.name(), weight.view());
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  checkpointer.async_save(1, state).wait();
  weight.clear();
  checkpointer.load(state);
  EXPECT_EQ(weight.mistake(), "");
  checkpointer.close();
  setenv("HOLDFAST_COPY", "automatic", 1);
  Checkpointer(MPI_COMM_WORLD, {.directory = options().directory, .read_only = true}).close();
  unsetenv("HOLDFAST_COPY");
  std::ifstream log(options().directory / "events.jsonl");
  std::string line;
  std::getline(log, line);
  EXPECT_EQ(nlohmann::json::parse(line).at("copy"), "memcpy, set");
}

TEST_F(SaveAndLoad, AWayOfCopyingThatThereIsNotIsRefusedOnAllRanks) {
  if (rank_in(MPI_COMM_WORLD) == 0) setenv("HOLDFAST_COPY", "magic", 1);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"HOLDFAST_COPY", "magic", "automatic", "memcpy"},
                    [&] { Checkpointer checkpointer(MPI_COMM_WORLD, options()); });
  unsetenv("HOLDFAST_COPY");
}

TEST_F(SaveAndLoad, PartialLoadReportsWhatIsMissingAndUnexpected) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  auto kept = rows("kept", 8, 1), gone = rows("gone", 8, 2), fresh = rows("fresh", 8, 3);
  StateDict saved, wanted;
  saved.add(kept.name(), kept.view());
  saved.add(gone.name(), gone.view());
  wanted.add(kept.name(), kept.view());
  wanted.add(fresh.name(), fresh.view());
  checkpointer.async_save(1, saved).wait();
  kept.clear();
  expect_same_error(MPI_COMM_WORLD, ErrorCode::not_found, {"fresh"}, [&] { checkpointer.load(wanted); });
  const LoadReport report = checkpointer.load(wanted, {.strict = Strict::common});
  EXPECT_EQ(report.missing, std::vector<std::string>{"fresh"});
  EXPECT_EQ(report.first_missing, report.missing);
  EXPECT_EQ(report.missing_count, 1U);
  EXPECT_EQ(report.unexpected, std::vector<std::string>{"gone"});
  EXPECT_EQ(kept.mistake(), "");
  EXPECT_EQ(fresh.mistake(), "");
  StateDict less;
  less.add(kept.name(), kept.view());
  expect_same_error(MPI_COMM_WORLD, ErrorCode::mismatch, {"gone"}, [&] { checkpointer.load(less); });
  checkpointer.close();
}

TEST_F(SaveAndLoad, ATensorMayBeStoredAsAnotherType) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  const auto ranks = static_cast<std::uint64_t>(ranks_), rank = static_cast<std::uint64_t>(rank_);
  constexpr std::uint64_t count = 300000;  // more than one buffer
  std::vector<float> moment(count);
  for (std::uint64_t i = 0; i < count; ++i) moment[i] = 1 + static_cast<float>(i % 129) / 256;
  const Shard box{.global = {count * ranks}, .offset = {count * rank}, .extent = {count}};
  StateDict state, plain;
  state.add("moment", stored_as(shard(moment, box), DType::bf16));
  plain.add("moment", shard(moment, box));
  checkpointer.async_save(1, state).wait();
  const std::vector<float> saved = std::exchange(moment, std::vector<float>(count));
  checkpointer.load(state);
  for (std::uint64_t i = 0; i < count; ++i)
    ASSERT_NEAR(moment[i], saved[i], 1.0 / 256) << "bf16 has 8 bits, and the last one is rounded";
  EXPECT_EQ(moment[2], 1 + 2.0F / 256) << "exact in bf16";
  expect_same_error(MPI_COMM_WORLD, ErrorCode::mismatch, {"bf16", "f32"}, [&] { checkpointer.load(plain); });
  checkpointer.load(plain, {.convert = true});
  EXPECT_FALSE(checkpointer.async_save(2, plain).wait().plan_cached) << "another layout";
  const CheckpointReader first(options().directory / "step-000000000001.h5"), second(options().directory / "latest");
  EXPECT_EQ(first.at("moment").dtype, DType::bf16);
  EXPECT_EQ(second.at("moment").dtype, DType::f32);
  StateDict impossible;
  impossible.add("moment", stored_as(shard(moment, box), DType::c64));
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"moment", "f32 cannot be stored as c64"},
                    [&] { checkpointer.async_save(3, impossible); });
  checkpointer.close();
}

TEST_F(SaveAndLoad, AttributesOfASaveStandInItsFile) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  auto weight = rows("w", 40, 1);
  StateDict state;
  state.add(weight.name(), weight.view());
  const Attributes first = {{"run", "a"}, {"lr", 0.25}},
                   second = {{"run", std::string(3000, 'b')}, {"epoch", std::int64_t{7}}};
  checkpointer.async_save(1, state, {.attributes = first}).wait();
  EXPECT_TRUE(checkpointer.async_save(2, state, {.attributes = second}).wait().plan_cached);
  checkpointer.async_save(3, state).wait();
  checkpointer.close();
  const std::vector<CheckpointInfo> found = list_checkpoints(options().directory);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].attributes, first);
  EXPECT_EQ(found[1].attributes, second);
  EXPECT_TRUE(found[2].attributes.empty());
}

TEST_F(SaveAndLoad, AttributesThatDifferAreRefused) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  StateDict state;
  if (ranks_ > 1) {
    const std::string run = rank_ + 1 == ranks_ ? "b" : "a";
    expect_same_error(MPI_COMM_WORLD, ErrorCode::plan_conflict, {"SaveOptions", "attributes", R"({"run":"b"})"}, [&] {
      checkpointer.async_save(1, state, {.attributes = {{"run", run}}});
    });
  }
  checkpointer.close();
}

TEST_F(SaveAndLoad, DtypesConvertOnlyWhenAsked) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  const Box box = rows_of(rank_, ranks_, 10, 3);
  std::vector<float> floats(volume(box.extent));
  for (std::size_t i = 0; i < floats.size(); ++i) floats[i] = 0.5F * static_cast<float>(box.offset[0] * 3 + i);
  std::vector<double> doubles(floats.size(), -1);
  float rate = 0.25F;
  double wide = 0;
  StateDict saved, wanted;
  saved.add("w", shard(floats.data(), DType::f32, {{10, 3}, box.offset, box.extent}));
  saved.add("rate", rate);
  wanted.add("w", shard(doubles.data(), DType::f64, {{10, 3}, box.offset, box.extent}));
  wanted.add("rate", wide);
  checkpointer.async_save(1, saved).wait();
  expect_same_error(MPI_COMM_WORLD, ErrorCode::mismatch, {"f32", "f64"}, [&] { checkpointer.load(wanted); });
  checkpointer.load(wanted, {.convert = true});
  for (std::size_t i = 0; i < floats.size(); ++i) EXPECT_EQ(doubles[i], static_cast<double>(floats[i]));
  EXPECT_EQ(wide, 0.25);

  StateDict impossible;
  bool flag = false;
  doubles.assign(doubles.size(), -1);
  impossible.add("w", shard(doubles.data(), DType::f64, {{10, 3}, box.offset, box.extent}));
  impossible.add("rate", flag);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::mismatch, {"rate", "f32", "bool"},
                    [&] { checkpointer.load(impossible, {.convert = true}); });
  EXPECT_EQ(doubles, std::vector<double>(doubles.size(), -1)) << "a refused load wrote into the program's memory";
  checkpointer.close();
}

TEST_F(SaveAndLoad, SavingAStepAgainReplacesIt) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  std::int64_t epoch = 1;
  StateDict state;
  state.add("epoch", epoch);
  checkpointer.async_save(7, state).wait();
  epoch = 2;
  checkpointer.async_save(7, state).wait();
  epoch = 0;
  checkpointer.load(state);
  EXPECT_EQ(epoch, 2);
  EXPECT_EQ(list_checkpoints(options().directory).size(), 1U);
  checkpointer.close();
}

TEST_F(SaveAndLoad, TensorsOfSomeRanksOnly) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  const std::string own = "stage" + std::to_string(rank_) + "/w";
  SampleTensor tensor(own, DType::i16, {6, 2}, whole({6, 2}), static_cast<std::uint64_t>(rank_));
  tensor.fill();
  StateDict state;
  state.add(own, tensor.view());
  checkpointer.async_save(1, state).wait();
  tensor.clear();
  checkpointer.load(state);
  EXPECT_EQ(tensor.mistake(), "");
  checkpointer.close();
}

TEST_F(SaveAndLoad, AnEmptyStateIsACheckpointToo) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  StateDict state;
  checkpointer.async_save(1, state).wait();
  EXPECT_EQ(checkpointer.load(state).step, 1);
  checkpointer.close();
}

}  // namespace
}  // namespace holdfast::test
