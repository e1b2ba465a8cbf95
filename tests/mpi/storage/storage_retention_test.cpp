// What stays in the directory: retention, recycled space, and what a program leaves behind that goes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <functional>
#include <holdfast/catalog.hpp>

#include "commit_fixture.hpp"

namespace holdfast::storage {
namespace {

namespace fs = std::filesystem;
using holdfast::test::expect_same_error;
using test::Call;
using test::Commit;
using test::mistake;
using test::partials;
using testing::ElementsAre;

TEST_F(Commit, RetentionKeepsTheNewestAndEveryNth) {
  open({.keep_last = 2, .keep_every = 20});
  for (const std::int64_t step : {10, 20, 30, 40, 50, 60, 70}) save(step);
  EXPECT_THAT(steps(), ElementsAre(20, 40, 60, 70));
}

/// A pin by the library, a link that a person made, and links that lead elsewhere.
TEST_F(Commit, RetentionLeavesPinnedCheckpointsAlone) {
  open({.keep_last = 1});
  save(10);
  if (comm_.rank() == 0) {
    pin(dir_, 10, "best");
    fs::create_symlink(dir_ / "nowhere", dir_ / "dangling");
    fs::create_symlink("/", dir_ / "root");
  }
  comm_.barrier();
  save(20);
  if (comm_.rank() == 0) fs::create_symlink(dir_ / file_name(20), dir_ / "by hand");
  comm_.barrier();
  save(30);
  save(40);
  EXPECT_THAT(steps(), ElementsAre(10, 20, 40));
  comm_.barrier();
  const std::vector<CheckpointInfo> found = list_checkpoints(dir_);
  EXPECT_THAT(found.at(0).pins, ElementsAre("best"));
  EXPECT_THAT(found.at(1).pins, ElementsAre("by hand"));
  EXPECT_TRUE(found.at(2).pins.empty()) << "`latest` is no pin";
  comm_.barrier();
  if (comm_.rank() == 0) {
    pin(dir_, 40, "best");
    unpin(dir_, "by hand");
  }
  comm_.barrier();
  save(50);
  EXPECT_THAT(steps(), ElementsAre(40, 50));
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
    request.sequence = sequence;
    request.parent = parent;
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

}  // namespace
}  // namespace holdfast::storage
