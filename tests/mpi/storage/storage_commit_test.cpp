// The commit's promise: whatever fails, the checkpoint before stands, all writers know, and the next save works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error_text.hpp"
#include "failing_filesystem.hpp"
#include "sample_save.hpp"
#include "storage/directory/catalog.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/format/format.hpp"
#include "storage/format/hdf5_types.hpp"
#include "storage/write/hdf5_file.hpp"
#include "support/mpi_fixture.hpp"
#include "wrap/hdf5.hpp"
#include "wrap/hdf5_buffered_file.hpp"

namespace holdfast::storage {
namespace {

namespace fs = std::filesystem;
using holdfast::test::expect_same_error;
using test::Call;
using test::mistake;
using test::SampleSave;
using testing::ElementsAre;

std::vector<std::string> partials(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    if (is_partial_name(entry.path().filename().string())) names.push_back(entry.path().filename().string());
  return names;
}

std::vector<nlohmann::json> events(const fs::path& directory) {
  std::vector<nlohmann::json> all;
  std::ifstream file(directory / format::events_file);
  for (std::string line; std::getline(file, line);) all.push_back(nlohmann::json::parse(line));
  return all;
}

class Commit : public testing::Test {
 protected:
  ~Commit() override {
    store_.reset();
    comm_.free();
  }

  void open(StoreOptions options = {}) {
    options.directory = dir_;
    options.nonce = "n";
    if (options.holder.empty()) options.holder = "the test";
    store_.reset();
    comm_.barrier();
    store_ = std::make_unique<CheckpointStore>(comm_, test::make_failing_filesystem(faults_),
                                               make_checkpoint_file(comm_), std::move(options));
  }
  fs::path save(std::int64_t step) { return store_->save(sample_.request(step, comm_.rank())).path; }
  /// Readers must not look while writer 0 still changes the directory.
  std::vector<std::int64_t> steps() {
    comm_.barrier();
    return steps_in(dir_);
  }
  std::string latest() {
    comm_.barrier();
    return fs::read_symlink(dir_ / format::latest_link).string();
  }

  mpi::Communicator comm_ = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  holdfast::test::SharedDirectory directory_;
  fs::path dir_ = directory_.path() / "deep" / "ckpt";
  test::Faults faults_;
  SampleSave sample_ = SampleSave::of_everything(comm_.size());
  std::unique_ptr<CheckpointStore> store_;
};

/// A call that fails on one writer fails the save on all, and costs nothing but that save.
class FailingStep : public Commit, public testing::WithParamInterface<Call> {};

TEST_P(FailingStep, CostsOnlyThatSave) {
  const bool on_every_writer = GetParam() == Call::check_access || GetParam() == Call::sync_file;
  const int victim = on_every_writer ? comm_.size() - 1 : 0;
  open();
  save(10);
  if (comm_.rank() == victim) faults_.fail_next(GetParam());
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"EIO", dir_.string(), "rank " + std::to_string(victim)},
                    [&] { save(20); });
  EXPECT_FALSE(faults_.pending());
  EXPECT_THAT(steps(), ElementsAre(10));
  EXPECT_THAT(partials(dir_), ElementsAre());
  EXPECT_EQ(mistake(dir_ / file_name(10), sample_, 10), "");
  EXPECT_EQ(latest(), file_name(10));
  const auto last = events(dir_).back();
  EXPECT_EQ(last.at("event"), "save_failed");
  EXPECT_EQ(last.at("step"), 20);
  comm_.barrier();
  EXPECT_EQ(mistake(save(30), sample_, 30), "");
  EXPECT_EQ(latest(), file_name(30));
}

INSTANTIATE_TEST_SUITE_P(Calls, FailingStep,
                         testing::Values(Call::reserve, Call::check_access, Call::sync_file, Call::rename,
                                         Call::sync_directory));

/// As where each node has a disk of its own under the path.
TEST_F(Commit, ADirectoryThatIsNotSharedIsNamed) {
  if (comm_.size() == 1) return open();
  const int victim = comm_.size() - 1;
  const fs::path mine = comm_.rank() == victim ? dir_ / "own" : dir_;
  const auto open_mine = [&] {
    CheckpointStore(comm_, test::make_failing_filesystem(faults_), make_checkpoint_file(comm_),
                    {.directory = mine, .nonce = "n", .holder = "host n1, pid 1", .lock_timeout_s = 1});
  };
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage,
                    {"is not the one that " + host_name(), "all nodes share", "rank " + std::to_string(victim),
                     (dir_ / "own").string()},
                    open_mine);
  if (comm_.rank() == victim) {  // what an earlier run has left there is no proof
    fs::create_directories(mine);
    std::ofstream(mine / format::lock_file) << "host n1, pid 2";
  }
  comm_.barrier();
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"is not the one that "}, open_mine);
  comm_.barrier();
  if (comm_.rank() == victim) fs::remove_all(mine);
  comm_.barrier();
  open();  // and the lock was given back
}

/// As where a network file system shows the directory to another node only after a while, and says something else
/// before.
TEST_F(Commit, ADirectoryThatIsSeenLateIsWaitedFor) {
  if (comm_.size() == 1) return open();
  const fs::path late = directory_.path() / "late";
  std::jthread appears;
  if (comm_.rank() == comm_.size() - 1) {
    std::ofstream(late) << "no directory";
    appears = std::jthread([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      fs::remove(late);
      fs::create_directory_symlink(dir_, late);
    });
  }
  const CheckpointStore store(comm_, make_posix_filesystem(), make_checkpoint_file(comm_),
                              {.directory = appears.joinable() ? late : dir_, .nonce = "n", .holder = "the test"});
  EXPECT_EQ(store.known().head_sequence, 0);
}

/// What comes after the commit point may fail without failing the save.
class FailingComfort : public Commit, public testing::WithParamInterface<Call> {};

TEST_P(FailingComfort, LeavesTheSaveCommitted) {
  open({.keep_last = 1, .recycle_files = false});
  save(10);
  comm_.barrier();
  if (comm_.rank() == 0) faults_.fail_next(GetParam());
  EXPECT_EQ(mistake(save(20), sample_, 20), "");
  EXPECT_FALSE(faults_.pending());
  comm_.barrier();
  EXPECT_EQ(mistake(save(30), sample_, 30), "");
  EXPECT_THAT(steps(), ElementsAre(30));
  EXPECT_EQ(latest(), file_name(30));
}

INSTANTIATE_TEST_SUITE_P(Calls, FailingComfort, testing::Values(Call::replace_link, Call::append, Call::remove));

TEST_F(Commit, ADirectoryThatCannotBeMadeIsAnErrorOnAll) {
  if (comm_.rank() == 0) faults_.fail_next(Call::make_directory);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"EIO", dir_.string()}, [&] { open(); });
  if (comm_.rank() == 0) faults_.fail_next(Call::list);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"EIO", dir_.string()}, [&] { open(); });
  open();
  EXPECT_EQ(mistake(save(1), sample_, 1), "");
}

TEST_F(Commit, ADirectoryThatIsGoneFailsTheSaveUntilItIsBack) {
  open();
  save(1);
  comm_.barrier();
  if (comm_.rank() == 0) fs::rename(dir_, dir_.string() + ".away");
  comm_.barrier();
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"ENOENT", dir_.string()}, [&] { save(2); });
  if (comm_.rank() == 0) fs::rename(dir_.string() + ".away", dir_);
  comm_.barrier();
  EXPECT_EQ(mistake(save(3), sample_, 3), "");
  EXPECT_THAT(steps(), ElementsAre(1, 3));
}

TEST_F(Commit, ASecondRunIsRefusedByName) {
  open({.holder = "host n1, pid 42"});
  comm_.barrier();
  const auto second = [&] {
    CheckpointStore(comm_, make_posix_filesystem(), make_checkpoint_file(comm_),
                    {.directory = dir_, .nonce = "m", .holder = "second", .lock_timeout_s = 0.1});
  };
  expect_same_error(MPI_COMM_WORLD, ErrorCode::in_use, {"host n1, pid 42", dir_.string()}, second);
  store_.reset();
  comm_.barrier();
  second();
}

TEST_F(Commit, OpeningSweepsUnfinishedFilesAndNothingElse) {
  if (comm_.rank() == 0) {
    fs::create_directories(dir_);
    for (const std::string& name : {partial_name(7, "dead"), std::string("notes.txt"), file_name(3)})
      std::ofstream(dir_ / name) << "x";
  }
  comm_.barrier();
  open();
  EXPECT_THAT(partials(dir_), ElementsAre());
  EXPECT_TRUE(fs::exists(dir_ / "notes.txt"));
  EXPECT_THAT(steps(), ElementsAre(3));
}

TEST_F(Commit, SavingAStepAgainReplacesIt) {
  open();
  save(10);
  sample_.add({"one more", plan::DatasetKind::tensor, DType::f32, {9}});
  EXPECT_EQ(mistake(save(10), sample_, 10), "");
  EXPECT_THAT(steps(), ElementsAre(10));
  comm_.barrier();
  // While a replacement fails, the file that it was to replace stands.
  if (comm_.rank() == comm_.size() - 1) faults_.fail_next(Call::sync_file);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"EIO"}, [&] { save(10); });
  EXPECT_EQ(mistake(dir_ / file_name(10), sample_, 10), "");
}

TEST_F(Commit, RetentionKeepsTheNewestAndEveryNth) {
  open({.keep_last = 2, .keep_every = 20});
  for (const std::int64_t step : {10, 20, 30, 40, 50, 60, 70}) save(step);
  EXPECT_THAT(steps(), ElementsAre(20, 40, 60, 70));
}

std::uint64_t inode(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_ino;
}

class Recycling : public Commit {
 protected:
  /// Saves three steps, of which one stays: the third could have the first one's space. Did it take that?
  bool third_takes_the_firsts_space() {
    save(10);
    comm_.barrier();
    const std::uint64_t first = inode(dir_ / file_name(10));
    before_second_();
    save(20);
    comm_.barrier();
    between_();
    EXPECT_EQ(mistake(save(30), sample_, 30), "");
    EXPECT_THAT(steps(), ElementsAre(30));
    comm_.barrier();
    return inode(dir_ / file_name(30)) == first;
  }

  std::function<void()> before_second_ = [] {}, between_ = [] {};
};

TEST_F(Recycling, ASaveTakesTheSpaceThatRetentionGaveUp) {
  open({.keep_last = 1});
  EXPECT_TRUE(third_takes_the_firsts_space());
  EXPECT_THAT(partials(dir_), testing::SizeIs(1)) << "the second one waits for the fourth";
  comm_.barrier();
  store_.reset();
  comm_.barrier();
  EXPECT_THAT(partials(dir_), ElementsAre());
}

TEST_F(Recycling, CanBeSwitchedOff) {
  open({.keep_last = 1, .recycle_files = false});
  between_ = [&] { EXPECT_THAT(partials(dir_), ElementsAre()); };
  third_takes_the_firsts_space();
  EXPECT_THAT(partials(dir_), ElementsAre());
}

TEST_F(Recycling, LeavesAFileToThoseWhoHaveItOpen) {
  open({.keep_last = 1});
  std::ifstream reader;
  before_second_ = [&] {
    if (comm_.rank() == comm_.size() - 1) reader.open(dir_ / file_name(10), std::ios::binary);
    comm_.barrier();
  };
  EXPECT_FALSE(third_takes_the_firsts_space());
  if (reader.is_open()) {
    const std::string whole((std::istreambuf_iterator<char>(reader)), {});
    std::ofstream(directory_.path() / "read.h5", std::ios::binary) << whole;
    EXPECT_EQ(mistake(directory_.path() / "read.h5", sample_, 10), "");
  }
  comm_.barrier();
}

TEST_F(Recycling, LeavesAFileThatHasAnotherName) {
  open({.keep_last = 1});
  before_second_ = [&] {
    if (comm_.rank() == 0) fs::create_hard_link(dir_ / file_name(10), directory_.path() / "kept.h5");
    comm_.barrier();
  };
  EXPECT_FALSE(third_takes_the_firsts_space());
  EXPECT_EQ(mistake(directory_.path() / "kept.h5", sample_, 10), "");
  comm_.barrier();
}

TEST_F(Recycling, IsForTheSameLayoutOnly) {
  open({.keep_last = 1});
  between_ = [&] { sample_.add({"one more", plan::DatasetKind::tensor, DType::f32, {9}}); };
  third_takes_the_firsts_space();  // the old inode may be given to the new file
  EXPECT_THAT(partials(dir_), testing::SizeIs(1));
  comm_.barrier();
}

TEST_F(Recycling, GoesOnInNewSpaceWhenTheOldCannotBeHad) {
  open({.keep_last = 1});
  between_ = [&] {
    if (comm_.rank() == 0) faults_.fail_next(Call::rename);
  };
  third_takes_the_firsts_space();
  EXPECT_FALSE(faults_.pending());
  between_ = [&] {
    if (comm_.rank() == 0) faults_.fail_next(Call::sync_directory);
  };
  save(40);
  between_();
  EXPECT_EQ(mistake(save(50), sample_, 50), "");
  EXPECT_FALSE(faults_.pending());
  comm_.barrier();
}

TEST_F(Commit, TheNewestIsTheOneThatWasSavedLastWhateverItsStep) {
  open({.keep_last = 1});
  save(10);
  EXPECT_EQ(mistake(save(5), sample_, 5), "");
  EXPECT_THAT(steps(), ElementsAre(5));
  EXPECT_EQ(latest(), file_name(5));
}

/// What a program does that goes back: saves that go on from an older sequence.
class GoingBack : public Commit {
 protected:
  void SetUp() override {
    open({.keep_last = 2});
    for (const std::int64_t step : {10, 20, 30}) save(step);
  }
  /// Of the directory as it is now.
  std::vector<std::int64_t> line() {
    comm_.barrier();
    std::vector<std::int64_t> steps;
    for (const Entry& entry : line_of(entries_in(dir_))) steps.push_back(entry.step);
    return steps;
  }
  void save_as(std::int64_t step, std::int64_t sequence, std::int64_t parent) {
    SaveRequest request = sample_.request(step, comm_.rank());
    request.sequence = sequence, request.parent = parent;
    EXPECT_EQ(mistake(store_->save(request).path, sample_, step), "");
  }
};

TEST_F(GoingBack, KeepsItsOwnSavesAndLeavesTheAbandonedOnes) {
  save_as(22, 4, 2);
  EXPECT_THAT(steps(), ElementsAre(20, 22, 30));
  EXPECT_THAT(line(), ElementsAre(20, 22));
  save_as(24, 5, 4);
  EXPECT_THAT(steps(), ElementsAre(22, 24, 30));
  EXPECT_EQ(latest(), file_name(24));
  save_as(26, 6, 5);
  EXPECT_THAT(steps(), ElementsAre(24, 26, 30));
  EXPECT_THAT(line(), ElementsAre(24, 26));
}

TEST_F(GoingBack, ReplacesAnAbandonedStep) {
  save_as(30, 4, 2);
  EXPECT_THAT(steps(), ElementsAre(20, 30));
  EXPECT_THAT(line(), ElementsAre(20, 30));
}

TEST_F(GoingBack, IsRememberedThoughTheFirstSaveFails) {
  if (comm_.rank() == 0) faults_.fail_next(Call::reserve);
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"EIO"}, [&] { save_as(22, 4, 2); });
  EXPECT_THAT(line(), ElementsAre(20, 30)) << "nothing was saved yet that goes on from 20";
  store_->pass_over(5, 4);
  save_as(24, 6, 5);
  EXPECT_THAT(line(), ElementsAre(20, 24));
  EXPECT_THAT(steps(), ElementsAre(20, 24, 30));
}

TEST_F(GoingBack, IsKnownToTheNextRun) {
  save_as(22, 4, 2);
  open({.keep_last = 2});
  EXPECT_EQ(store_->known().newest_sequence, 4);
  EXPECT_EQ(store_->known().head_sequence, 4);
  save(24);
  EXPECT_THAT(steps(), ElementsAre(20, 22, 24, 30)) << "one new one is not enough to give up an older one";
  save(26);
  EXPECT_THAT(steps(), ElementsAre(24, 26, 30));
  EXPECT_THAT(line(), ElementsAre(24, 26));
}

TEST_F(GoingBack, LeavesAFileThatCannotBeReadAndDoesNotCountIt) {
  comm_.barrier();
  if (comm_.rank() == 0) fs::resize_file(dir_ / file_name(30), 1000);
  open({.keep_last = 1});
  EXPECT_EQ(store_->known().head_sequence, 2);
  EXPECT_GT(store_->known().newest_sequence, 3) << "it may be read again one day";
  save(40);
  EXPECT_THAT(steps(), ElementsAre(30, 40));
  EXPECT_THAT(line(), ElementsAre(40));
}

/// Somebody moves files into the directory while a run saves, whose sequences are not below those that the run gives.
TEST_F(GoingBack, StrangersAreToldOfOnceAndDoNotCostTheSave) {
  const fs::path other = directory_.path() / "other";
  const std::vector<std::int64_t> strange = {100, 110, 120, 130, 140, 150};  // the 4th to the 9th
  {
    CheckpointStore store(comm_, make_posix_filesystem(), make_checkpoint_file(comm_),
                          {.directory = other, .nonce = "n", .holder = "another"});
    for (const std::int64_t step : {70, 80, 90, 100, 110, 120, 130, 140, 150})
      store.save(sample_.request(step, comm_.rank()));
  }
  comm_.barrier();
  if (comm_.rank() == 0)
    for (const std::int64_t step : strange) fs::rename(other / file_name(step), dir_ / file_name(step));
  comm_.barrier();
  testing::internal::CaptureStderr();
  save(40);  // the 4th
  EXPECT_THAT(steps(), testing::Contains(40));
  comm_.barrier();
  save(50);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(steps(), testing::Contains(50));
  if (comm_.rank() != 0) return;
  for (const std::int64_t step : strange) {
    const std::string warning = (dir_ / file_name(step)).string() + ": this file came here";
    const auto first = said.find(warning);
    EXPECT_NE(first, said.npos) << said;
    EXPECT_EQ(said.find(warning, first + 1), said.npos) << "once is enough";
  }
}

TEST_F(Commit, AFileThatCannotBeReadIsToldOfOnceAndMayComeBack) {
  const fs::path bad = dir_ / file_name(10), away = directory_.path() / "away.h5";
  open({.keep_last = 2});
  save(10);
  if (comm_.rank() == 0) fs::rename(bad, away);
  save(20);
  if (comm_.rank() == 0) std::ofstream(bad) << "no checkpoint";
  testing::internal::CaptureStderr();
  for (const std::int64_t step : {30, 40}) save(step);
  const std::string said = testing::internal::GetCapturedStderr();
  const std::string warning = bad.string() + ": this checkpoint cannot be read";
  if (comm_.rank() == 0) {
    EXPECT_NE(said.find(warning), said.npos) << said;
    EXPECT_EQ(said.find(warning), said.rfind(warning)) << "once is enough";
    fs::rename(away, bad);
  }
  save(50);
  EXPECT_THAT(steps(), ElementsAre(40, 50)) << "what can be read again is taken away in its turn";
}

TEST_F(Commit, AnEventLogThatIsThereKeepsItsPermissions) {
  const fs::path file = dir_ / format::events_file;
  if (comm_.rank() == 0) {
    fs::create_directories(dir_);
    std::ofstream(file).close();
    fs::permissions(file, fs::perms(0644));
  }
  comm_.barrier();
  CheckpointStore store(comm_, make_posix_filesystem(private_file), make_checkpoint_file(comm_),
                        {.directory = dir_, .nonce = "n", .holder = "the test"});
  store.save(sample_.request(10, comm_.rank()));
  comm_.barrier();
  EXPECT_GT(fs::file_size(file), 0U);
  EXPECT_EQ(fs::status(file).permissions(), fs::perms(0644));
}

TEST_F(Commit, EverySaveIsALineOfEvents) {
  open();
  save(10);
  save(20);
  comm_.barrier();
  const auto all = events(dir_);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].at("event"), "settings") << "once, as the first save shows what is in force";
  EXPECT_EQ(all[0].at("helpers"), comm_.size());
  EXPECT_EQ(all[1].at("step"), 10);
  EXPECT_EQ(all[2].at("event"), "save");
  EXPECT_EQ(all[2].at("step"), 20);
  EXPECT_EQ(all[2].at("bytes"), sample_.bytes());
}

TEST_F(Commit, SettingsAreToldAgainWhereRanksCopyInAnotherWay) {
  open();
  for (const auto& [step, copy] :
       {std::pair{10, "page_avx, not measured"}, {20, "page_avx, measured"}, {30, "page_avx, measured"}}) {
    SaveRequest request = sample_.request(step, comm_.rank());
    request.copy = copy;
    store_->save(request);
  }
  comm_.barrier();
  std::vector<std::string> told;
  for (const auto& event : events(dir_))
    told.push_back(event.at("event") == "settings" ? event.at("copy").get<std::string>() : event.at("step").dump());
  EXPECT_THAT(told, ElementsAre("page_avx, not measured", "10", "page_avx, measured", "20", "30"));
}

/// MPI-IO says itself which hints it took.
TEST_F(Commit, HintsAndAlignmentReachTheFile) {
  const FileSettings settings{.mpi_io_hints = {{"cb_buffer_size", "1048576"}, {"striping_factor", "1"}},
                              .alignment_bytes = 1 << 20};
  CheckpointStore store(comm_, make_posix_filesystem(), make_checkpoint_file(comm_, settings),
                        {.directory = dir_, .nonce = "n", .launcher = "spawn"});
  EXPECT_EQ(mistake(store.save(sample_.request(10, comm_.rank())).path, sample_, 10), "");
  comm_.barrier();
  const auto first = events(dir_).front();
  EXPECT_EQ(first.at("launcher"), "spawn");
  EXPECT_EQ(first.at("alignment_bytes"), 1 << 20);
  EXPECT_EQ(first.at("mpi_io_hints").at("cb_buffer_size"), "1048576");
  const hdf5::BufferedFile file = hdf5::BufferedFile::open_to_read(dir_ / file_name(10));
  for (const plan::Dataset& dataset : sample_.datasets()) {
    if (volume(dataset.global) * size_of(dataset.dtype) < 1 << 20) continue;
    const auto address = hdf5::address_of(hdf5::DatasetAccess().open(file.get(), path_of(dataset)));
    EXPECT_EQ(address.value() % (1 << 20), 0U) << dataset.name;
  }
}

}  // namespace
}  // namespace holdfast::storage
