// Power fails at any moment of a save, and the disk keeps what the missing fsyncs allow it to: each directory that may be found
// then has every visible checkpoint whole, and the old or the new one among them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "crash_replay.hpp"
#include "every_engine.hpp"
#include "sample_save.hpp"
#include "storage/catalog.hpp"
#include "storage/commit.hpp"
#include "storage/file_engine.hpp"
#include "storage/format.hpp"
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
  sample.add({"small", plan::Kind::tensor, DType::f64, {60, 30}});
  sample.add({"text", plan::Kind::string, DType::u8, {3000}});
  return sample;
}

class Crash : public testing::TestWithParam<test::EngineCase> {
 protected:
  void SetUp() override {
    if (!engine_.works_in(directory_.path())) GTEST_SKIP() << "this file system has no direct writes: " << directory_.path();
    open();
  }
  void TearDown() override {
    store_.reset();
    comm_.free();
  }

  void open() {
    store_.reset();
    comm_.barrier();
    store_.emplace(comm_, make_posix_filesystem(), make_file_engine(comm_, engine_.settings()),
                   StoreOptions{.directory = dir_, .keep_last = 1, .nonce = "n", .holder = "test"});
  }
  void save(std::int64_t step) {
    store_->save(sample_.request(step, comm_.rank()));
    comm_.barrier();
  }

  /// What all writers did while the steps were saved, in the order of time; on all writers.
  std::vector<DiskEvent> record(const std::vector<std::int64_t>& steps) {
    const test::Recorder recorder(dir_, comm_.rank());
    for (const std::int64_t step : steps) save(step);
    std::vector<DiskEvent> all;
    for (const Bytes& bytes : comm_.all_gather(encode(recorder.events())))
      for (DiskEvent& event : decode<std::vector<DiskEvent>>(bytes)) all.push_back(std::move(event));
    std::ranges::stable_sort(all, {}, &DiskEvent::time_ns);
    return all;
  }

  /// Plays the events on `start` and looks at all directories that a crash may leave; what is wrong first, in words. Rank 0.
  std::string first_mistake(const DiskImage& start, const std::vector<DiskEvent>& events, const std::set<std::int64_t>& saved) {
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
          if (!wrong.empty()) return "after " + std::to_string(count) + " events, step " + std::to_string(step) + ": " + wrong;
        }
      }
    images_ = seen.size();
    return {};
  }

  const test::EngineUnderTest engine_{GetParam()};
  mpi::Communicator comm_ = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  holdfast::test::SharedDirectory directory_;
  fs::path dir_ = directory_.path() / "ckpt";
  SampleSave sample_ = sample_of(comm_.size());
  std::optional<CheckpointStore> store_;
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
    events.erase(
        std::find_if(reuse, events.end(), [](const DiskEvent& event) { return event.kind == DiskEvent::Kind::sync_directory; }));
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
    for (const auto& entry : fs::directory_iterator(dir_)) EXPECT_FALSE(is_partial_name(entry.path().filename().string()));
    comm_.barrier();
  }
}

}  // namespace
}  // namespace holdfast::storage
