// Wrong input gets one clear error, the same on all ranks; nobody hangs, and the next save works.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <fstream>
#include <holdfast/checkpointer.hpp>
#include <limits>

#include "support/mpi_fixture.hpp"
#include "support/sample_tensor.hpp"

namespace holdfast::test {
namespace {

using Seconds = std::chrono::duration<double>;

class BadInput : public testing::Test {
 protected:
  void SetUp() override { checkpointer_.emplace(MPI_COMM_WORLD, Options{.directory = directory_.path() / "ckpt"}); }
  void TearDown() override {
    StateDict good;
    std::int64_t value = 42;
    good.add("value", value);
    EXPECT_NO_THROW(checkpointer_->async_save(999, good).wait()) << "the next save has to work";
    value = 0;
    EXPECT_EQ(checkpointer_->load(good).step, 999);
    EXPECT_EQ(value, 42);
    EXPECT_NO_THROW(checkpointer_->close());
  }
  /// Saving `state` fails alike on all ranks and leaves no checkpoint.
  void refuse(ErrorCode code, std::initializer_list<std::string> words, const StateDict& state) {
    expect_same_error(MPI_COMM_WORLD, code, words, [&] { checkpointer_->async_save(1, state); });
    EXPECT_FALSE(checkpointer_->latest().has_value());
  }
  [[nodiscard]] bool bad_rank() const { return rank_ == ranks_ - 1; }

  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory directory_;
  std::optional<Checkpointer> checkpointer_;
  std::vector<float> memory_ = std::vector<float>(64, 1.0F);
};

TEST_F(BadInput, NamesOnOneRankOnly) {
  const std::vector<std::string> names = {
      "", "a/../b", "..", "/absolute", "a//b", "a/", "./a", "a\nb", std::string("a\0b", 3), std::string(1025, 'x')};
  for (const std::string& name : names) {
    StateDict state;
    state.add(bad_rank() ? name : "fine", replicated(memory_.data(), DType::f32, {4}));
    refuse(ErrorCode::invalid_argument, {"name"}, state);
  }
}

TEST_F(BadInput, SaveOptionsThatAreNotTheSame) {
  StateDict state;
  state.add("w", replicated(memory_.data(), DType::f32, {4}));
  const std::string last = std::to_string(ranks_ - 1), others = ranks_ == 2 ? "rank 0" : "ranks 0, 1";
  expect_same_error(MPI_COMM_WORLD, ErrorCode::plan_conflict,
                    {"SaveOptions: when_busy is wait on " + others + ", skip on rank " + last}, [&] {
                      checkpointer_->async_save(1, state, {.when_busy = bad_rank() ? WhenBusy::skip : WhenBusy::wait});
                    });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::plan_conflict, {"SaveOptions: overlap_staging is false on " + others},
                    [&] { checkpointer_->async_save(1, state, {.overlap_staging = bad_rank()}); });
}

TEST_F(BadInput, LoadOptionsThatAreNotTheSame) {
  StateDict state;
  state.add("w", replicated(memory_.data(), DType::f32, {4}));
  for (const std::int64_t step : {1, 2}) checkpointer_->async_save(step, state).wait();
  const std::string last = std::to_string(ranks_ - 1), others = ranks_ == 2 ? "rank 0" : "ranks 0, 1";
  expect_same_error(MPI_COMM_WORLD, ErrorCode::plan_conflict,
                    {"LoadOptions: step is -1 on " + others + ", 1 on rank " + last},
                    [&] { checkpointer_->load(state, {.step = bad_rank() ? 1 : -1}); });
  expect_same_error(
      MPI_COMM_WORLD, ErrorCode::plan_conflict, {"LoadOptions: saves_go_on_from is automatic on " + others},
      [&] { checkpointer_->load(state, {.saves_go_on_from = bad_rank() ? GoOnFrom::newest : GoOnFrom::automatic}); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::plan_conflict, {"LoadOptions: verify_first is false on " + others},
                    [&] { checkpointer_->load(state, {.verify_first = bad_rank()}); });
  EXPECT_EQ(checkpointer_->load(state).step, 2);
}

TEST_F(BadInput, ANameUsedTwice) {
  StateDict state;
  state.add("w", replicated(memory_.data(), DType::f32, {4}));
  if (bad_rank()) state.add("w", replicated(memory_.data(), DType::f32, {4}));
  refuse(ErrorCode::invalid_argument, {"w"}, state);
}

TEST_F(BadInput, ANameThatIsBothTensorAndGroup) {
  StateDict state;
  if (rank_ == 0) state.add("layer", replicated(memory_.data(), DType::f32, {4}));
  if (bad_rank()) state.add("layer/w", replicated(memory_.data(), DType::f32, {4}));
  refuse(ErrorCode::plan_conflict, {"layer"}, state);
}

TEST_F(BadInput, ANullPointerWithBytes) {
  StateDict state;
  state.add("w", replicated(static_cast<void*>(bad_rank() ? nullptr : memory_.data()), DType::f32, {4}));
  refuse(ErrorCode::invalid_argument, {"w", "null"}, state);
}

TEST_F(BadInput, ABoxOutsideItsShape) {
  StateDict state;
  state.add("w", shard(memory_.data(), DType::f32, {.global = {8}, .offset = {bad_rank() ? 6U : 0U}, .extent = {4}}));
  refuse(ErrorCode::invalid_argument, {"w"}, state);
}

TEST_F(BadInput, ADTypeThatIsNone) {
  StateDict state;
  state.add("w", replicated(memory_.data(), bad_rank() ? static_cast<DType>(99) : DType::f32, {4}));
  refuse(ErrorCode::invalid_argument, {"\"w\": ", "99", "DType"}, state);
}

TEST_F(BadInput, StridesThatNobodyCanCount) {
  StateDict state;
  const std::int64_t row = bad_rank() ? std::int64_t{1} << 62 : 4;
  state.add("w", replicated(memory_.data(), DType::f32, {2, 4}, {row, 1}));
  refuse(ErrorCode::invalid_argument, {"\"w\": ", "strides (4611686018427387904, 1)"}, state);
}

TEST_F(BadInput, AHole) {
  StateDict state;
  const auto offset = static_cast<std::uint64_t>(rank_) * 4;
  state.add("model/w",
            shard(memory_.data(), DType::f32,
                  {.global = {static_cast<std::uint64_t>(ranks_) * 4 + 2}, .offset = {offset}, .extent = {4}}));
  refuse(ErrorCode::plan_conflict, {"model/w"}, state);
}

TEST_F(BadInput, AnOverlap) {
  StateDict state;
  const std::uint64_t offset = rank_ == 0 ? 0 : static_cast<std::uint64_t>(rank_) * 4 - 1;
  state.add("model/w",
            shard(memory_.data(), DType::f32,
                  {.global = {static_cast<std::uint64_t>(ranks_) * 4 - 1}, .offset = {offset}, .extent = {4}}));
  refuse(ErrorCode::plan_conflict, {"model/w"}, state);
}

TEST_F(BadInput, AWrongDtypeOnOneRank) {
  StateDict state;
  state.add("w", replicated(memory_.data(), bad_rank() ? DType::i32 : DType::f32, {4}));
  refuse(ErrorCode::plan_conflict, {"w", "i32", "f32"}, state);
}

TEST_F(BadInput, AWrongGlobalShapeOnOneRank) {
  StateDict state;
  state.add("w", replicated(memory_.data(), DType::f32, bad_rank() ? Shape{2, 3} : Shape{6}));
  refuse(ErrorCode::plan_conflict, {"w"}, state);
}

TEST_F(BadInput, AValueThatDiffers) {
  std::int64_t epoch = bad_rank() ? 2 : 1;
  StateDict state;
  state.add("epoch", epoch);
  refuse(ErrorCode::plan_conflict,
         {"\"epoch\": ", "1 on rank 0 and 2 on rank " + std::to_string(ranks_ - 1), "add_per_rank"}, state);
}

TEST_F(BadInput, AStringThatDiffers) {
  std::string name = bad_rank() ? "b" : "a";
  StateDict state;
  state.add("name", name);
  refuse(ErrorCode::plan_conflict, {"\"name\": ", "\"a\" on rank 0 and \"b\" on rank " + std::to_string(ranks_ - 1)},
         state);
}

/// The layout is known, so only the values' checksum in the allreduce can find it.
TEST_F(BadInput, AValueThatDiffersLater) {
  std::int64_t epoch = 1;
  StateDict state;
  state.add("epoch", epoch);
  checkpointer_->warm_up(state);
  if (bad_rank()) epoch = 2;
  refuse(ErrorCode::plan_conflict, {"\"epoch\": ", "1 on rank 0 and 2 on rank " + std::to_string(ranks_ - 1)}, state);
}

TEST_F(BadInput, StepsThatDifferOrAreNegative) {
  StateDict state;
  expect_same_error(MPI_COMM_WORLD, ErrorCode::plan_conflict, {"step", "3", "4"},
                    [&] { checkpointer_->async_save(bad_rank() ? 3 : 4, state); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"step"},
                    [&] { checkpointer_->async_save(-1, state); });
}

TEST_F(BadInput, LoadingIntoAnotherShapeOrDtypeOrConst) {
  StateDict saved;
  saved.add("w", replicated(memory_.data(), DType::f32, {6}));
  checkpointer_->async_save(1, saved).wait();
  std::fill(memory_.begin(), memory_.end(), -5.0F);
  StateDict shape, dtype, constant;
  shape.add("w", replicated(memory_.data(), DType::f32, bad_rank() ? Shape{7} : Shape{6}));
  dtype.add("w", replicated(memory_.data(), bad_rank() ? DType::i32 : DType::f32, {6}));
  constant.add("w", replicated(static_cast<const void*>(memory_.data()), DType::f32, {6}));
  expect_same_error(MPI_COMM_WORLD, ErrorCode::mismatch, {"w", "(6)", "(7)"}, [&] { checkpointer_->load(shape); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::mismatch, {"w", "f32", "i32"}, [&] { checkpointer_->load(dtype); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"w", "const"},
                    [&] { checkpointer_->load(constant); });
  EXPECT_EQ(memory_, std::vector<float>(64, -5.0F)) << "a refused load wrote into the program's memory";
}

/// What is everywhere the same can be saved from one place, but several elements cannot be loaded into it.
TEST_F(BadInput, LoadingIntoOnePlaceTwice) {
  StateDict repeated, windows;
  repeated.add("w", replicated(memory_.data(), DType::f32, {3, 4}, {bad_rank() ? 0 : 4, 1}));
  windows.add("w", replicated(memory_.data(), DType::f32, {3, 4}, {bad_rank() ? 2 : 4, 1}));
  checkpointer_->async_save(1, repeated).wait();
  std::fill(memory_.begin(), memory_.end(), -5.0F);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"\"w\": ", "(0, 1)", "loaded"},
                    [&] { checkpointer_->load(repeated); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"\"w\": ", "(2, 1)", "loaded"},
                    [&] { checkpointer_->load(windows); });
  EXPECT_EQ(memory_, std::vector<float>(64, -5.0F)) << "a refused load wrote into the program's memory";
}

TEST_F(BadInput, AStrictLoadOfAPartNamesTheOption) {
  StateDict both, part, more;
  both.add("a", replicated(memory_.data(), DType::f32, {4}));
  both.add("b", replicated(memory_.data(), DType::f32, {4}));
  part.add("a", replicated(memory_.data(), DType::f32, {4}));
  more.add("a", replicated(memory_.data(), DType::f32, {4}));
  more.add("b", replicated(memory_.data(), DType::f32, {4}));
  more.add("c", replicated(memory_.data(), DType::f32, {4}));
  checkpointer_->async_save(1, both).wait();
  expect_same_error(MPI_COMM_WORLD, ErrorCode::mismatch, {"b", "LoadOptions::strict"},
                    [&] { checkpointer_->load(part); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::not_found, {"c", "LoadOptions::strict"},
                    [&] { checkpointer_->load(more); });
  EXPECT_EQ(checkpointer_->load(part, {.strict = Strict::common}).unexpected, std::vector<std::string>{"b"});
  EXPECT_EQ(checkpointer_->load(part, {.strict = Strict::mine}).unexpected, std::vector<std::string>{"b"});
  expect_same_error(MPI_COMM_WORLD, ErrorCode::not_found, {"c", "LoadOptions::strict"},
                    [&] { checkpointer_->load(more, {.strict = Strict::mine}); });
}

/// Rank r misses the names 0 to 12 and 5 r + 13 to 5 r + 17, in descending order.
TEST_F(BadInput, WhatIsMissingIsToldForAllRanksTogether) {
  const int ranks = size_of_comm(MPI_COMM_WORLD), own = 13 + 5 * rank_in(MPI_COMM_WORLD);
  const auto name_of = [](int number) { return fmt::format("model/{:02}/wieght", number); };
  StateDict saved, wanted;
  saved.add("model/weight", replicated(memory_.data(), DType::f32, {4}));
  saved.add("unlike", replicated(memory_.data(), DType::f32, {4}));
  for (int number = own + 4; number >= own; --number)
    wanted.add(name_of(number), replicated(memory_.data(), DType::f32, {4}));
  for (int number = 12; number >= 0; --number) wanted.add(name_of(number), replicated(memory_.data(), DType::f32, {4}));
  checkpointer_->async_save(1, saved).wait();
  const int all = 13 + 5 * ranks;
  const std::string count = all > 20 ? fmt::format(", … {} in all;", all) : ";";
  expect_same_error(MPI_COMM_WORLD, ErrorCode::not_found,
                    {"not in the checkpoint: model/00/wieght (the file has model/weight), model/01/wieght", count},
                    [&] { checkpointer_->load(wanted); });
  const LoadReport report = checkpointer_->load(wanted, {.strict = Strict::common});
  EXPECT_EQ(report.missing_count, static_cast<std::uint64_t>(all));
  EXPECT_EQ(report.missing.size(), 18U);
  ASSERT_EQ(report.first_missing.size(), static_cast<std::size_t>(std::min(all, 20)));
  for (std::size_t i = 0; i < report.first_missing.size(); ++i)
    EXPECT_EQ(report.first_missing[i], name_of(static_cast<int>(i)));
  EXPECT_EQ(report.unexpected, (std::vector<std::string>{"model/weight", "unlike"}));
}

TEST_F(BadInput, OptionsOfOneCallOnOneRankOnly) {
  StateDict state;
  const LoadOptions load{.step = bad_rank() ? -2 : -1};
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"LoadOptions::step", "-2"},
                    [&] { checkpointer_->load(state, load); });
  const LoadOptions place{.saves_go_on_from = bad_rank() ? static_cast<GoOnFrom>(3) : GoOnFrom::automatic};
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"LoadOptions::saves_go_on_from", "3"},
                    [&] { checkpointer_->load(state, place); });
  const SaveOptions save{.when_busy = bad_rank() ? static_cast<WhenBusy>(7) : WhenBusy::wait};
  expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"SaveOptions::when_busy", "7"},
                    [&] { checkpointer_->async_save(1, state, save); });
}

TEST_F(BadInput, TimeoutsOfAWait) {
  StateDict state;
  std::int64_t value = 1;
  state.add("value", value);
  const double infinity = std::numeric_limits<double>::infinity();
  int step = 0;
  for (const Seconds timeout :
       {Seconds(infinity), Seconds(1e10), Seconds(std::chrono::nanoseconds::max()), Seconds(std::chrono::hours::max())})
    EXPECT_EQ(checkpointer_->async_save(++step, state).wait(timeout).step, step) << timeout.count();
  const SaveFuture save = checkpointer_->async_save(++step, state);
  EXPECT_THROW(save.wait(Seconds(std::nan(""))), Error);
  EXPECT_EQ(save.wait().step, step);
  EXPECT_EQ(save.wait(Seconds(-infinity)).step, step) << "one that has ended is not waited for";
}

TEST_F(BadInput, NoCheckpointAtAll) {
  StateDict state;
  expect_same_error(MPI_COMM_WORLD, ErrorCode::not_found, {(directory_.path() / "ckpt").string()},
                    [&] { checkpointer_->load(state); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::not_found, {"17"}, [&] { checkpointer_->load(state, {.step = 17}); });
}

// --- options and directories ----------------------------------------------------------------------------------------

class BadOptions : public testing::Test {
 protected:
  void refuse(std::initializer_list<std::string> words, Options options) {
    expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, words,
                      [&] { Checkpointer(MPI_COMM_WORLD, std::move(options)); });
  }
  /// A change of one option, on the last rank only.
  void refuse(std::initializer_list<std::string> words, void (*change)(Options&)) {
    Options options{.directory = directory_.path() / "ckpt"};
    if (rank_ == size_of_comm(MPI_COMM_WORLD) - 1) change(options);
    refuse(words, std::move(options));
  }

  const int rank_ = rank_in(MPI_COMM_WORLD);
  SharedDirectory directory_;
};

TEST_F(BadOptions, AreRefusedTogether) {
  refuse({"directory"}, Options{});
  refuse({"null character"}, [](Options& o) { o.directory += std::string("a\0b", 3); });
  refuse({"keep_last"}, [](Options& o) { o.keep_last = -1; });
  refuse({"keep_every"}, [](Options& o) { o.keep_every = -1; });
  refuse({"ranks_per_helper"}, [](Options& o) { o.ranks_per_helper = -1; });
  refuse({"stage_threads", "-1", "1024"}, [](Options& o) { o.stage_threads = -1; });
  refuse({"stage_threads", "1000000", "1024"}, [](Options& o) { o.stage_threads = 1'000'000; });
  refuse({"alignment_bytes", "is 0"}, [](Options& o) { o.alignment_bytes = 0; });
  refuse({"alignment_bytes", "4611686018427387904", "1 GiB"},
         [](Options& o) { o.alignment_bytes = std::uint64_t{1} << 62; });
  refuse({"no list of cores"}, [](Options& o) { o.helper_cores = "0-99999999"; });
  refuse({"file_mode"}, [](Options& o) { o.file_mode = 0200; });
  refuse({"launcher", "9"}, [](Options& o) { o.launcher = static_cast<Launcher>(9); });
  refuse({"transport", "-1"}, [](Options& o) { o.transport = static_cast<Transport>(-1); });
  refuse({"engine", "3"}, [](Options& o) { o.engine = static_cast<Engine>(3); });
  refuse({"hint", "=1"}, [](Options& o) { o.mpi_io_hints = {{"", "1"}}; });
  refuse({"hint"}, [](Options& o) { o.mpi_io_hints = {{std::string(1000, 'k'), "1"}}; });
  refuse({"hint"}, [](Options& o) { o.mpi_io_hints = {{"striping_factor", std::string(100'000, '1')}}; });
  for (const auto& [signal, words] :
       {std::pair(0, "0 is not the number of a signal"), {4096, "4096 is not"}, {SIGKILL, "signal 9 cannot be"}}) {
    Options options{.directory = directory_.path() / "ckpt", .preemption_signals = {signal}};
    refuse({words}, std::move(options));
  }
}

TEST_F(BadOptions, Timeouts) {
  refuse({"launch_timeout_s is 0;"}, [](Options& o) { o.launch_timeout_s = 0; });
  refuse({"helper_timeout_s is -1;"}, [](Options& o) { o.helper_timeout_s = -1; });
  refuse({"save_timeout_s is nan;"}, [](Options& o) { o.save_timeout_s = std::nan(""); });
  refuse({"close_timeout_s is -inf;"},
         [](Options& o) { o.close_timeout_s = -std::numeric_limits<double>::infinity(); });
}

/// They are ten years, for helpers as for ranks.
TEST_F(BadOptions, TimeoutsWithoutEnd) {
  std::int64_t value = 7;
  StateDict state;
  state.add("value", value);
  for (const double timeout_s : {1e10, std::numeric_limits<double>::max(), std::numeric_limits<double>::infinity()}) {
    Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt",
                                               .launch_timeout_s = timeout_s,
                                               .helper_timeout_s = timeout_s,
                                               .save_timeout_s = timeout_s,
                                               .close_timeout_s = timeout_s});
    for (int step = 0; step < 4; ++step) checkpointer.async_save(step, state);
    EXPECT_EQ(checkpointer.async_save(4, state).wait().step, 4);
    checkpointer.close();
  }
}

TEST_F(BadOptions, ThatDiffer) {
  const std::string others = size_of_comm(MPI_COMM_WORLD) == 2 ? "rank 1" : "ranks 1, 2";
  expect_same_error(
      MPI_COMM_WORLD, ErrorCode::plan_conflict, {"Options: keep_last is 1 on rank 0, 2 on " + others},
      [&] { Checkpointer(MPI_COMM_WORLD, {.directory = directory_.path(), .keep_last = rank_ == 0 ? 1 : 2}); });
  expect_same_error(MPI_COMM_WORLD, ErrorCode::plan_conflict,
                    {"Options: preemption_signals is [10] on rank 0, [] on " + others}, [&] {
                      Checkpointer(MPI_COMM_WORLD,
                                   {.directory = directory_.path(),
                                    .preemption_signals = rank_ == 0 ? std::vector{10} : std::vector<int>{}});
                    });
}

TEST(BadDirectory, AFile) {
  const SharedDirectory directory;
  const auto file = directory.path() / "file";
  if (rank_in(MPI_COMM_WORLD) == 0) std::ofstream(file) << "not a directory";
  MPI_Barrier(MPI_COMM_WORLD);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {file.string()},
                    [&] { Checkpointer(MPI_COMM_WORLD, {.directory = file}); });
}

/// Root may write anywhere, so a directory that refuses root too is needed: /proc.
TEST(BadDirectory, NotWritable) {
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"/proc"},
                    [&] { Checkpointer(MPI_COMM_WORLD, {.directory = "/proc/holdfast"}); });
}

TEST(BadDirectory, ThatDisappears) {
  const int rank = rank_in(MPI_COMM_WORLD);
  const SharedDirectory directory;
  const auto folder = directory.path() / "ckpt";
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = folder});
  std::int64_t value = 1;
  StateDict state;
  state.add("value", value);
  checkpointer.async_save(1, state).wait();
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) std::filesystem::remove_all(folder);
  MPI_Barrier(MPI_COMM_WORLD);
  const SaveFuture save = checkpointer.async_save(2, state);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {folder.string()}, [&] { save.wait(); });
  if (rank == 0) std::filesystem::create_directory(folder);
  MPI_Barrier(MPI_COMM_WORLD);
  EXPECT_NO_THROW(checkpointer.async_save(3, state).wait()) << "the helper serves on";
  EXPECT_EQ(checkpointer.latest(), 3);
  checkpointer.close();
}

TEST(MemoryLimit, RoomForOneSaveIsEnough) {
  const SharedDirectory directory;
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory.path() / "ckpt", .memory_limit_bytes = 6 << 20});
  std::vector<float> memory(1 << 20, 2.0F);
  StateDict state;
  state.add("w", replicated(memory.data(), DType::f32, {memory.size()}));
  for (int step = 0; step < 4; ++step) checkpointer.async_save(step, state);
  checkpointer.close();
  EXPECT_EQ(list_checkpoints(directory.path() / "ckpt").size(), 4U);
}

}  // namespace
}  // namespace holdfast::test
