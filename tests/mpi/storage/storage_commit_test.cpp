// The commit's promise: whatever fails, the checkpoint before stands, all writers know, and the next save works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error_text.hpp"
#include "commit_fixture.hpp"
#include "storage/format/hdf5_types.hpp"
#include "wrap/hdf5.hpp"
#include "wrap/hdf5_buffered_file.hpp"

namespace holdfast::storage {
namespace {

namespace fs = std::filesystem;
using holdfast::test::expect_same_error;
using test::Call;
using test::Commit;
using test::mistake;
using test::partials;
using testing::ElementsAre;

std::vector<nlohmann::json> events(const fs::path& directory) {
  std::vector<nlohmann::json> all;
  std::ifstream file(directory / format::events_file);
  for (std::string line; std::getline(file, line);) all.push_back(nlohmann::json::parse(line));
  return all;
}

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
