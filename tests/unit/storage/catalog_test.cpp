#include "storage/directory/catalog.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <functional>
#include <holdfast/catalog.hpp>
#include <holdfast/error.hpp>

#include "storage/read/source.hpp"
#include "support/temporary_directory.hpp"

namespace holdfast::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

void touch(const std::filesystem::path& path, const std::string& content = "") {
  std::ofstream(path) << content;
}

TEST(Catalog, NamesGoThereAndBack) {
  EXPECT_EQ(file_name(100), "step-000000000100.h5");
  for (const std::int64_t step :
       {std::int64_t{0}, std::int64_t{7}, std::int64_t{999'999'999'999}, std::int64_t{1'000'000'000'000}, INT64_MAX})
    EXPECT_EQ(parse_file_name(file_name(step)), step);
}

TEST(Catalog, OtherNamesAreNotCheckpoints) {
  for (const char* name : {"", "step-.h5", "step-100.h5", "step-000000000100.h5~", "step-00000000010x.h5",
                           "step--00000000001.h5", "step-0000000000001.h5", "step-99999999999999999999.h5", "latest",
                           ".step-000000000100.h5.ab.partial", "STEP-000000000100.h5", "step-000000000100.h5.partial"})
    EXPECT_EQ(parse_file_name(name), std::nullopt) << name;
}

TEST(Catalog, PartialNamesAreHiddenAndRecognised) {
  EXPECT_EQ(partial_name(100, "ab12"), ".step-000000000100.h5.ab12.partial");
  EXPECT_TRUE(is_partial_name(partial_name(0, "x")));
  EXPECT_TRUE(is_partial_name(partial_name(0, "x") + ".locktest.3")) << "MPI-IO's, left behind by a crash";
  for (const char* name :
       {".editor.partial", "step-000000000100.h5.partial", "step-000000000001.h5", ".holdfast.lock", "latest"})
    EXPECT_FALSE(is_partial_name(name)) << name;
}

TEST(Catalog, StepsAreListedInOrder) {
  const test::TemporaryDirectory directory;
  EXPECT_THAT(steps_in(directory.path()), IsEmpty());
  for (const std::int64_t step : {30, 4, 200}) touch(directory.path() / file_name(step));
  touch(directory.path() / partial_name(500, "x"));
  touch(directory.path() / "events.jsonl");
  EXPECT_THAT(steps_in(directory.path()), ElementsAre(4, 30, 200));
}

TEST(Catalog, AnAbsentDirectoryHasNoStepsAndAFileIsAnError) {
  const test::TemporaryDirectory directory;
  EXPECT_THAT(steps_in(directory.path() / "absent"), IsEmpty());
  touch(directory.path() / "file");
  try {
    (void)steps_in(directory.path() / "file");
    ADD_FAILURE() << "a file was listed as a directory";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::storage);
    EXPECT_EQ(error.context().path, (directory.path() / "file").string());
    EXPECT_THAT(error.message(), HasSubstr("ENOTDIR"));
  }
}

TEST(Catalog, ListingSaysWhatIsWrongWithABadFile) {
  const test::TemporaryDirectory directory;
  touch(directory.path() / file_name(7), "not a checkpoint");
  const auto found = list_checkpoints(directory.path());
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].step, 7);
  EXPECT_EQ(found[0].file_bytes, 16U);
  EXPECT_FALSE(found[0].valid());
  EXPECT_THROW((void)list_checkpoints(directory.path() / "absent"), Error);
}

/// Files that the library wrote before it knew of sequences; made by hand they would say what we think that it did.
TEST(Catalog, FilesOfFormat2AreInTheLineInTheOrderOfTheirSteps) {
  const std::filesystem::path directory = HOLDFAST_TEST_DATA "/format-2";
  const std::vector<Entry> entries = entries_in(directory);
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(head_of(entries)->step, 20);
  EXPECT_EQ(line_of(entries).size(), 2U);
  EXPECT_EQ(newest_sequence(entries), 0);
  for (const CheckpointInfo& info : list_checkpoints(directory)) {
    EXPECT_EQ(info.problem, "");
    EXPECT_EQ(info.world_size, 2);
    EXPECT_LT(info.sequence, 0);
    EXPECT_FALSE(info.is_abandoned);
    const auto reader_source = open_whole(info.path);
    const Source& reader = *reader_source;
    for (const ChunkRecord& chunk : reader.chunks()) reader.verify(chunk);
  }
}

TEST(Catalog, AFileUnderTheNameOfAnotherStepHasNoPlaceInTheLine) {
  const test::TemporaryDirectory directory;
  std::filesystem::copy_file(HOLDFAST_TEST_DATA "/format-2/" + file_name(10), directory.path() / file_name(10));
  std::filesystem::copy_file(HOLDFAST_TEST_DATA "/format-2/" + file_name(10), directory.path() / file_name(30));
  EXPECT_EQ(line_of(entries_in(directory.path())).size(), 1U);
  EXPECT_THAT(list_checkpoints(directory.path())[1].problem, HasSubstr("step 10"));
}

/// What a load tries: what cannot be read stands where its step would be, to be told of.
TEST(Catalog, CandidatesAreTheLineAndWhatCannotBeRead) {
  const test::TemporaryDirectory directory;
  for (const std::int64_t step : {10, 20})
    std::filesystem::copy_file(HOLDFAST_TEST_DATA "/format-2/" + file_name(step), directory.path() / file_name(step));
  for (const std::int64_t step : {5, 15, 30}) touch(directory.path() / file_name(step), "no checkpoint");
  std::vector<std::int64_t> steps, bad;
  for (const Candidate& candidate : candidates_in(directory.path())) {
    steps.push_back(candidate.step);
    if (candidate.problem) bad.push_back(candidate.step);
  }
  EXPECT_THAT(steps, ElementsAre(30, 20, 15, 10, 5));
  EXPECT_THAT(bad, ElementsAre(30, 15, 5));
}

TEST(Catalog, WhatCouldNotBeReadIsReadAgain) {
  const test::TemporaryDirectory directory;
  const auto file = directory.path() / file_name(10);
  touch(file, "no checkpoint");
  const std::vector<Entry> before = entries_in(directory.path());
  ASSERT_EQ(before.size(), 1U);
  EXPECT_TRUE(before[0].problem) << "nobody could be told why";
  std::filesystem::remove(file);
  std::filesystem::copy_file(HOLDFAST_TEST_DATA "/format-2/" + file_name(10), file);
  const std::vector<Entry> found = entries_in(directory.path(), before);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].is_read());
  EXPECT_FALSE(found[0].problem);
}

TEST(Catalog, KnownEntriesAreNotReadAgain) {
  const test::TemporaryDirectory directory;
  for (const std::int64_t step : {10, 20}) touch(directory.path() / file_name(step));
  const std::vector<Entry> known = {{.step = 10, .lineage = {.sequence = 7, .parent = 6}, .is_own = true},
                                    {.step = 15}};
  const std::vector<Entry> found = entries_in(directory.path(), known);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].lineage.sequence, 7);
  EXPECT_TRUE(found[0].is_own);
  EXPECT_FALSE(found[1].is_read());
}

/// A directory with checkpoints of steps 10 and 20.
class Pins : public testing::Test {
 protected:
  Pins() {
    for (const std::int64_t step : {10, 20})
      std::filesystem::copy_file(HOLDFAST_TEST_DATA "/format-2/" + file_name(step), path_ / file_name(step));
  }
  std::vector<std::string> pins_of(std::size_t checkpoint) const { return list_checkpoints(path_).at(checkpoint).pins; }
  ErrorCode code_of(const std::function<void()>& call) const {
    try {
      call();
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "no error";
    return ErrorCode::internal;
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path();
};

TEST_F(Pins, MoveAndGo) {
  pin(path_, 10, "good");
  pin(path_, 10, "best");
  EXPECT_THAT(pins_of(0), ElementsAre("best", "good"));
  pin(path_, 20, "best");
  EXPECT_THAT(pins_of(0), ElementsAre("good"));
  EXPECT_THAT(pins_of(1), ElementsAre("best"));
  EXPECT_EQ(std::filesystem::read_symlink(path_ / "best"), file_name(20)) << "it moves with the directory";
  unpin(path_, "best");
  EXPECT_THAT(pins_of(1), IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(path_ / file_name(20)));
}

TEST_F(Pins, AreRefusedWithTheReason) {
  touch(path_ / "notes");
  for (const char* name : {"", ".hidden", "a/b", "..", "latest", "halt", "save-now", "step-000000000010.h5", "notes"}) {
    EXPECT_EQ(code_of([&] { pin(path_, 10, name); }), ErrorCode::invalid_argument) << name;
    EXPECT_EQ(code_of([&] { unpin(path_, name); }), ErrorCode::invalid_argument) << name;
  }
  EXPECT_EQ(code_of([&] { pin(path_, 30, "best"); }), ErrorCode::not_found);
  EXPECT_EQ(code_of([&] { unpin(path_, "best"); }), ErrorCode::not_found);
  EXPECT_EQ(code_of([&] { pin(path_ / "nowhere", 10, "best"); }), ErrorCode::storage);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path_), {}), 3) << "something is left behind";
  EXPECT_TRUE(std::filesystem::is_regular_file(path_ / "notes"));
}

}  // namespace
}  // namespace holdfast::storage
