// A program goes back to an earlier checkpoint, or has to because newer ones are damaged: what it saves then is what
// counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <holdfast/checkpointer.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "support/mpi_fixture.hpp"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class GoingBack : public testing::Test {
 protected:
  GoingBack() { state_.add("epoch", epoch_); }

  Options options(int keep_last = 2) const { return {.directory = dir_, .keep_last = keep_last}; }

  void save(Checkpointer& checkpointer, std::initializer_list<std::int64_t> steps) {
    for (epoch_ = -1; const std::int64_t step : steps) {
      epoch_ = step;
      checkpointer.async_save(step, state_).wait();
    }
  }
  /// "20 22 30 abandoned 40 bad", and where `latest` points to.
  std::vector<std::string> found() const {
    MPI_Barrier(MPI_COMM_WORLD);
    std::vector<std::string> found;
    for (const CheckpointInfo& info : list_checkpoints(dir_))
      found.push_back(std::to_string(info.step) + (info.is_abandoned ? " abandoned" : info.valid() ? "" : " bad"));
    MPI_Barrier(MPI_COMM_WORLD);
    return found;
  }
  std::string latest() const { return fs::read_symlink(dir_ / "latest").string(); }
  void on_rank_0(const std::function<void()>& work) const {
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank_ == 0) work();
    MPI_Barrier(MPI_COMM_WORLD);
  }
  std::vector<nlohmann::json> events() const {
    std::vector<nlohmann::json> all;
    std::ifstream file(dir_ / "events.jsonl");
    for (std::string line; std::getline(file, line);) all.push_back(nlohmann::json::parse(line));
    return all;
  }

  const int rank_ = rank_in(MPI_COMM_WORLD), ranks_ = size_of_comm(MPI_COMM_WORLD);
  SharedDirectory directory_;
  const fs::path dir_ = directory_.path() / "ckpt";
  std::int64_t epoch_ = 0;
  StateDict state_;
};

TEST_F(GoingBack, SavesCountFromThereAndTheNextStartGoesOnWithThem) {
  {
    Checkpointer checkpointer(MPI_COMM_WORLD, options());
    save(checkpointer, {10, 20, 30});
    EXPECT_EQ(checkpointer.load(state_, {.step = 20}).step, 20);
    save(checkpointer, {22});
    EXPECT_THAT(found(), ElementsAre("20", "22", "30 abandoned"));
    EXPECT_EQ(latest(), "step-000000000022.h5");
    save(checkpointer, {24});
    EXPECT_THAT(found(), ElementsAre("22", "24", "30 abandoned"));
    EXPECT_EQ(checkpointer.latest(), 24);
    EXPECT_EQ(checkpointer.load(state_).step, 24);
    checkpointer.close();
  }
  Checkpointer next(MPI_COMM_WORLD, options());
  EXPECT_EQ(next.latest(), 24);
  EXPECT_EQ(next.load(state_).step, 24);
  EXPECT_EQ(epoch_, 24);
  save(next, {26, 28});
  EXPECT_THAT(found(), ElementsAre("26", "28", "30 abandoned"));
  EXPECT_EQ(next.load(state_, {.step = 30}).step, 30) << "by its step it can be had";
  save(next, {32});
  EXPECT_THAT(found(), ElementsAre("26 abandoned", "28 abandoned", "30", "32")) << "and gone on from";
  next.close();
}

TEST_F(GoingBack, AnAbandonedStepIsReplacedWhenItIsSavedAgain) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  save(checkpointer, {10, 20, 30});
  checkpointer.load(state_, {.step = 20});
  save(checkpointer, {30});
  EXPECT_THAT(found(), ElementsAre("20", "30"));
  checkpointer.close();
}

/// fault11: the fallback that the program went on from was the first to be taken away.
TEST_F(GoingBack, AFallbackStaysUntilTwoNewOnesAreThere) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options(3));
  save(checkpointer, {70, 80, 90, 100});
  on_rank_0([&] {
    for (const char* name : {"step-000000000090.h5", "step-000000000100.h5"}) fs::resize_file(dir_ / name, 2000);
  });
  const LoadReport report = checkpointer.load(state_);
  EXPECT_EQ(report.step, 80);
  EXPECT_EQ(report.skipped.size(), 2U);
  save(checkpointer, {85});
  EXPECT_THAT(found(), ElementsAre("80", "85", "90 bad", "100 bad"));
  EXPECT_EQ(latest(), "step-000000000085.h5");
  save(checkpointer, {87, 89});
  EXPECT_THAT(found(), ElementsAre("85", "87", "89", "90 bad", "100 bad"));
  EXPECT_EQ(checkpointer.load(state_).step, 89);
  checkpointer.close();
  Checkpointer next(MPI_COMM_WORLD, options(3));
  EXPECT_EQ(next.load(state_).step, 89);
  save(next, {91});
  EXPECT_THAT(found(), ElementsAre("85", "87", "89", "90 bad", "91", "100 bad")) << "one new one takes nothing away";
  save(next, {93});
  EXPECT_THAT(found(), ElementsAre("89", "90 bad", "91", "93", "100 bad"));
  next.close();
}

/// A load of part, one that says so, and one by a Checkpointer that only reads leave the line as it is.
TEST_F(GoingBack, OnlyAnExactLoadGoesBack) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options(0));
  save(checkpointer, {10, 20, 30});
  checkpointer.load(state_, {.step = 10, .strict = Strict::common});
  save(checkpointer, {31});
  checkpointer.load(state_, {.step = 10, .saves_go_on_from = GoOnFrom::newest});
  save(checkpointer, {32});
  Checkpointer reader(MPI_COMM_WORLD, {.directory = dir_, .read_only = true});
  reader.load(state_, {.step = 10});
  reader.close();
  save(checkpointer, {33});
  EXPECT_THAT(found(), ElementsAre("10", "20", "30", "31", "32", "33"));
  checkpointer.load(state_, {.step = 20, .saves_go_on_from = GoOnFrom::loaded, .strict = Strict::common});
  save(checkpointer, {34});
  EXPECT_THAT(found(), ElementsAre("10", "20", "30 abandoned", "31 abandoned", "32 abandoned", "33 abandoned", "34"));
  checkpointer.close();
}

TEST_F(GoingBack, ASaveInFlightIsAbandonedToo) {
  Checkpointer checkpointer(MPI_COMM_WORLD, options(0));
  save(checkpointer, {10, 20});
  epoch_ = 30;
  SaveFuture in_flight = checkpointer.async_save(30, state_);
  checkpointer.load(state_, {.step = 10});
  save(checkpointer, {12});
  in_flight.wait();
  EXPECT_THAT(found(), ElementsAre("10", "12", "20 abandoned", "30 abandoned"));
  checkpointer.close();
}

/// Files of the version before have no sequence: they come before all others, by their steps.
TEST_F(GoingBack, FilesOfFormat2AreLoadedAndGoneOnFrom) {
  on_rank_0([&] {
    fs::create_directories(dir_);
    for (const auto& entry : fs::directory_iterator(HOLDFAST_TEST_DATA "/format-2"))
      if (entry.path().extension() == ".h5") fs::copy_file(entry.path(), dir_ / entry.path().filename());
  });
  std::vector<float> weight(6);
  std::vector<std::uint64_t> seed;
  state_.add("weight", replicated(weight.data(), DType::f32, {6}));
  state_.add_per_rank("seed", seed);
  Checkpointer checkpointer(MPI_COMM_WORLD, options(0));
  EXPECT_EQ(checkpointer.latest(), 20);
  const LoadReport report = checkpointer.load(state_);
  EXPECT_EQ(report.step, 20);
  EXPECT_EQ(epoch_, 20);
  EXPECT_EQ(weight, std::vector<float>(6, 0.5F));
  EXPECT_EQ(seed, std::vector<std::uint64_t>{100 + static_cast<std::uint64_t>(rank_ % 2)});
  EXPECT_EQ(report.per_rank_left_out, std::max(0, 2 - ranks_));
  EXPECT_EQ(report.per_rank_doubled, std::max(0, ranks_ - 2));
  save(checkpointer, {30});
  EXPECT_THAT(found(), ElementsAre("10", "20", "30"));
  checkpointer.load(state_, {.step = 10});
  save(checkpointer, {12});
  EXPECT_THAT(found(), ElementsAre("10", "12", "20 abandoned", "30 abandoned"));
  checkpointer.close();
}

TEST_F(GoingBack, PerRankValuesForAnotherWorldAreCountedOrRefused) {
  std::int64_t seed = rank_;
  state_.add_per_rank("seed", seed);
  Checkpointer checkpointer(MPI_COMM_WORLD, options());
  save(checkpointer, {1});
  const LoadReport report = checkpointer.load(state_, {.exact_per_rank = true});
  EXPECT_EQ(report.per_rank_left_out, 0);
  EXPECT_EQ(report.per_rank_doubled, 0);
  checkpointer.close();
  if (ranks_ == 1) return;
  MPI_Comm fewer = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank_ == 0 ? 1 : 0, rank_, &fewer);  // rank 0 alone, and the others
  Checkpointer reader(fewer, {.directory = dir_, .read_only = true});
  EXPECT_EQ(reader.load(state_).per_rank_left_out, ranks_ - size_of_comm(fewer));
  expect_same_error(fewer, ErrorCode::mismatch, {"seed", "exact_per_rank"},
                    [&] { reader.load(state_, {.exact_per_rank = true}); });
  StateDict without;
  without.add("epoch", epoch_);
  EXPECT_EQ(reader.load(without, {.strict = Strict::common, .exact_per_rank = true}).per_rank_left_out, 0)
      << "it asked for none";
  reader.close();
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank_ != 0) {
    Checkpointer writer(fewer, {.directory = dir_ / "fewer"});
    save(writer, {1});
    writer.close();
  }
  MPI_Comm_free(&fewer);
  MPI_Barrier(MPI_COMM_WORLD);
  Checkpointer more(MPI_COMM_WORLD, {.directory = dir_ / "fewer", .read_only = true});
  EXPECT_EQ(more.load(state_).per_rank_doubled, 1);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::mismatch, {"seed", "exact_per_rank"},
                    [&] { more.load(state_, {.exact_per_rank = true}); });
  more.close();
}

TEST_F(GoingBack, AReadOnlyLoadLeavesNothingInTheDirectory) {
  {
    Checkpointer checkpointer(MPI_COMM_WORLD, options());
    save(checkpointer, {1});
    checkpointer.close();
  }
  const auto names = [&] {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(dir_)) found.insert(entry.path().filename());
    return found;
  };
  Checkpointer reader(MPI_COMM_WORLD, {.directory = dir_, .read_only = true});
  const auto before = names();
  const auto lines = events().size();
  reader.load(state_);
  MPI_Barrier(MPI_COMM_WORLD);
  EXPECT_EQ(events().size(), lines) << "a load that only reads is not listed";
  on_rank_0([&] { fs::remove(dir_ / "events.jsonl"); });
  reader.load(state_);
  MPI_Barrier(MPI_COMM_WORLD);
  EXPECT_FALSE(fs::exists(dir_ / "events.jsonl"));
  EXPECT_EQ(before.size(), names().size() + 1);
  reader.close();
}

/// The log is made with the bits of Options::file_mode, also where a load is its first line.
TEST_F(GoingBack, ALoadIsListedInALogOfTheRightMode) {
  {
    Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_, .file_mode = 0640});
    save(checkpointer, {1});
    checkpointer.close();
  }
  on_rank_0([&] { fs::remove(dir_ / "events.jsonl"); });
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_, .file_mode = 0640});
  checkpointer.load(state_);
  MPI_Barrier(MPI_COMM_WORLD);
  struct stat status {};
  ASSERT_EQ(stat((dir_ / "events.jsonl").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0640U);
  ASSERT_EQ(events().size(), 1U);
  EXPECT_EQ(events()[0].at("event"), "load");
  checkpointer.close();
}

}  // namespace
}  // namespace holdfast::test
