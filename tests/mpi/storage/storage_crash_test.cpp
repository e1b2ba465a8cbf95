// Power fails at any moment of a save, and the disk keeps what the missing fsyncs allow it to: each directory that may
// be found then has every visible checkpoint whole, and the old or the new one among them; and what these say of each
// other is one of the lines that there were.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "crash_replay.hpp"
#include "every_engine.hpp"
#include "sample_save.hpp"
#include "storage/directory/catalog.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/format/format.hpp"
#include "storage/read/source.hpp"
#include "storage/write/hdf5_file.hpp"
#include "support/mpi_fixture.hpp"

namespace holdfast::storage {
namespace {

namespace fs = std::filesystem;
using test::DiskEvent;
using test::DiskImage;
using test::mistake;
using test::SampleSave;

/// Small, as the files are kept many times; one dataset is of the size that is written whole.
SampleSave sample_of(int writers) {
  SampleSave sample(writers);
  sample.add({"small", plan::DatasetKind::tensor, DType::f64, {60, 30}});
  sample.add({"text", plan::DatasetKind::string, DType::u8, {3000}});
  return sample;
}

class Crash : public testing::TestWithParam<test::EngineCase> {
 protected:
  void SetUp() override {
    if (!engine_.works_in(directory_.path()))
      GTEST_SKIP() << "this file system has no direct writes: " << directory_.path();
    open();
  }
  void TearDown() override {
    store_.reset();
    comm_.free();
  }

  void open() {
    store_.reset();
    comm_.barrier();
    store_.emplace(comm_, make_posix_filesystem(), make_checkpoint_file(comm_, engine_.settings()),
                   StoreOptions{.directory = dir_, .keep_last = keep_last_, .nonce = "n", .holder = "test"});
  }
  /// Goes on from the save before, or from another one.
  void save(std::int64_t step, std::optional<std::int64_t> parent = {}) {
    SaveRequest request = sample_.request(step, comm_.rank());
    request.sequence = ++newest_;
    request.parent = parent.value_or(newest_ - 1);
    sequences_[step].insert(newest_);
    store_->save(request);
    comm_.barrier();
  }

  /// What all writers did while the steps were saved, in the order of time; on all writers.
  std::vector<DiskEvent> record(const std::vector<std::int64_t>& steps, std::optional<std::int64_t> parent = {}) {
    const test::Recorder recorder(dir_, comm_.rank());
    for (const std::int64_t step : steps) save(step, std::exchange(parent, std::nullopt));
    std::vector<DiskEvent> all;
    for (const Bytes& bytes : comm_.all_gather(encode(recorder.events())))
      for (DiskEvent& event : decode<std::vector<DiskEvent>>(bytes)) all.push_back(std::move(event));
    std::ranges::stable_sort(all, {}, &DiskEvent::time_ns);
    return all;
  }

  /// Plays the events on `start` and looks at all directories that a crash may leave; what is wrong first, in words.
  /// Rank 0.
  std::string first_mistake(const DiskImage& start, const std::vector<DiskEvent>& events,
                            const std::set<std::int64_t>& saved) {
    const fs::path found = directory_.path() / "found";
    std::set<DiskImage> seen;
    for (std::size_t count = 0; count <= events.size(); ++count)
      for (const DiskImage& image : test::images_after_crash(start, events, count, 1 << 10, random_)) {
        if (!seen.insert(image).second) continue;
        image.write_to(found);
        const std::vector<std::int64_t> steps = steps_in(found);
        if (steps.empty()) return "no checkpoint is left after " + std::to_string(count) + " events";
        for (const std::int64_t step : steps) {
          if (!saved.contains(step)) return "a step that was never saved";
          const std::string wrong = mistake(found / file_name(step), sample_, step);
          if (!wrong.empty())
            return "after " + std::to_string(count) + " events, step " + std::to_string(step) + ": " + wrong;
          if (!sequences_.at(step).contains(open_whole(found / file_name(step))->info().sequence))
            return "after " + std::to_string(count) + " events, step " + std::to_string(step) +
                   " has another save's place";
        }
        if (const std::vector<std::int64_t> line = line_in(found); !lines_.empty() && !lines_.contains(line))
          return "after " + std::to_string(count) + " events, another line: " + testing::PrintToString(line);
      }
    images_ = seen.size();
    return {};
  }

  static std::vector<std::int64_t> line_in(const fs::path& directory) {
    std::vector<std::int64_t> steps;
    for (const Entry& entry : line_of(entries_in(directory))) steps.push_back(entry.step);
    return steps;
  }

  const test::EngineUnderTest engine_{GetParam()};
  mpi::Communicator comm_ = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  holdfast::test::SharedDirectory directory_;
  fs::path dir_ = directory_.path() / "ckpt";
  SampleSave sample_ = sample_of(comm_.size());
  std::optional<CheckpointStore> store_;
  int keep_last_ = 1;
  std::int64_t newest_ = 0;
  std::map<std::int64_t, std::set<std::int64_t>> sequences_;  ///< that the saves of a step had
  std::set<std::vector<std::int64_t>> lines_;                 ///< that may be found; any if there are none
  std::uint64_t seed_ = std::random_device{}();
  std::mt19937_64 random_{seed_};
  std::size_t images_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Engines, Crash, test::engines_by_system_calls(), test::name_of_case);

TEST_P(Crash, LeavesTheOldOrTheNewCheckpointWhole) {
  save(1);
  const DiskImage start = DiskImage::of(dir_);
  comm_.barrier();
  const std::vector<DiskEvent> events = record({2});
  if (comm_.rank() == 0) {
    std::printf("seed %lu, %zu events\n", seed_, events.size());
    EXPECT_EQ(first_mistake(start, events, {1, 2}), "");
    std::printf("%zu different directories\n", images_);
    EXPECT_GT(images_, 20U);
  }
  comm_.barrier();
}

/// What retention gave up is written over by the next save: it must be gone for certain by then.
TEST_P(Crash, LeavesNothingOfAFileThatIsWrittenOver) {
  save(1);
  const DiskImage start = DiskImage::of(dir_);
  comm_.barrier();
  std::vector<DiskEvent> events = record({2, 3});
  if (comm_.rank() == 0) {
    EXPECT_EQ(first_mistake(start, events, {1, 2, 3}), "");
    const auto reuse = std::ranges::find_if(events, [](const DiskEvent& event) {
      return event.kind == DiskEvent::Kind::rename && is_partial_name(event.name) && is_partial_name(event.to);
    });
    ASSERT_NE(reuse, events.end()) << "the third save did not write over the first one's file";
    events.erase(std::find_if(reuse, events.end(),
                              [](const DiskEvent& event) { return event.kind == DiskEvent::Kind::sync_directory; }));
    EXPECT_NE(first_mistake(start, events, {1, 2, 3}), "") << "without the fsync of the directory before that";
  }
  comm_.barrier();
}

/// A step that is saved again replaces its file at once.
TEST_P(Crash, LeavesAStepThatIsSavedAgainWhole) {
  save(1);
  const DiskImage start = DiskImage::of(dir_);
  comm_.barrier();
  const std::vector<DiskEvent> events = record({1});
  if (comm_.rank() == 0) {
    EXPECT_EQ(first_mistake(start, events, {1}), "");
  }
  comm_.barrier();
}

/// The program saves 1, 2, 3, goes back to 2, and saves 4, then 3 again, which was abandoned, and 5, over the file of
/// 2: until that has its new place in the line, it has none.
TEST_P(Crash, LeavesTheLineFromBeforeOrAfterGoingBack) {
  keep_last_ = 2;
  open();
  for (const std::int64_t step : {1, 2, 3}) save(step);
  const DiskImage start = DiskImage::of(dir_);
  comm_.barrier();
  const std::vector<DiskEvent> events = record({4, 3, 5}, 2);
  lines_ = {{2, 3}, {2, 4}, {2, 4, 3}, {4, 3}, {4, 3, 5}, {3, 5}};
  if (comm_.rank() == 0) {
    EXPECT_EQ(first_mistake(start, events, {2, 3, 4, 5}), "");
    EXPECT_EQ(line_in(dir_), (std::vector<std::int64_t>{3, 5}));
    EXPECT_TRUE(std::ranges::any_of(events, [](const DiskEvent& event) {
      return event.kind == DiskEvent::Kind::rename && is_partial_name(event.name) && is_partial_name(event.to);
    })) << "no file was written over";
    lines_.erase({2, 4});
    EXPECT_NE(first_mistake(start, events, {2, 3, 4, 5}), "") << "the replay sees each line";
  }
  comm_.barrier();
}

/// The replay can tell: without one of the fsyncs, it finds a directory that lost something.
TEST_P(Crash, IsSurvivedOnlyWithEveryFsync) {
  save(1);
  const DiskImage start = DiskImage::of(dir_);
  comm_.barrier();
  const std::vector<DiskEvent> events = record({2});
  if (comm_.rank() == 0) {
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (events[i].kind != DiskEvent::Kind::sync_file && events[i].kind != DiskEvent::Kind::sync_directory) continue;
      std::vector<DiskEvent> without = events;
      without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_NE(first_mistake(start, without, {1, 2}), "") << "without event " << i << ", fsync of " << events[i].name;
    }
  }
  comm_.barrier();
}

/// What a crash leaves is no obstacle: the next run opens the directory, sweeps it, and saves.
TEST_P(Crash, LeavesADirectoryThatTheNextRunWorksIn) {
  save(1);
  const DiskImage start = DiskImage::of(dir_);
  comm_.barrier();
  const std::vector<DiskEvent> events = record({2});
  std::mt19937_64 same(7);
  for (std::size_t count = 0; count <= events.size(); count += 7) {
    const auto images = test::images_after_crash(start, events, count, 4, same);
    store_.reset();
    comm_.barrier();
    if (comm_.rank() == 0) images.begin()->write_to(dir_);
    open();
    save(3);
    EXPECT_EQ(mistake(dir_ / file_name(3), sample_, 3), "");
    EXPECT_EQ(line_in(dir_), std::vector<std::int64_t>{3});
    for (const auto& entry : fs::directory_iterator(dir_))
      EXPECT_FALSE(is_partial_name(entry.path().filename().string()));
    comm_.barrier();
  }
}

}  // namespace
}  // namespace holdfast::storage
