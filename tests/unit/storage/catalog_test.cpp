#include "storage/catalog.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <holdfast/catalog.hpp>
#include <holdfast/error.hpp>

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
  for (const char* name : {"", "step-.h5", "step-100.h5", "step-000000000100.h5~", "step-00000000010x.h5", "step--00000000001.h5",
                           "step-0000000000001.h5", "step-99999999999999999999.h5", "latest", ".step-000000000100.h5.ab.partial",
                           "STEP-000000000100.h5", "step-000000000100.h5.partial"})
    EXPECT_EQ(parse_file_name(name), std::nullopt) << name;
}

TEST(Catalog, PartialNamesAreHiddenAndRecognised) {
  EXPECT_EQ(partial_name(100, "ab12"), ".step-000000000100.h5.ab12.partial");
  EXPECT_TRUE(is_partial_name(partial_name(0, "x")));
  EXPECT_TRUE(is_partial_name(partial_name(0, "x") + ".locktest.3")) << "MPI-IO's, left behind by a crash";
  for (const char* name : {".editor.partial", "step-000000000100.h5.partial", "step-000000000001.h5", ".holdfast.lock", "latest"})
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
    EXPECT_EQ(error.where().path, (directory.path() / "file").string());
    EXPECT_THAT(error.sentence(), HasSubstr("ENOTDIR"));
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

TEST(Retention, KeepsTheNewest) {
  EXPECT_THAT(to_prune({1, 2, 3, 4, 5}, 2, 0), ElementsAre(1, 2, 3));
  EXPECT_THAT(to_prune({1, 2}, 2, 0), IsEmpty());
  EXPECT_THAT(to_prune({1, 2}, 9, 0), IsEmpty());
  EXPECT_THAT(to_prune({}, 1, 10), IsEmpty());
}

TEST(Retention, ZeroKeepsAll) {
  EXPECT_THAT(to_prune({1, 2, 3}, 0, 2), IsEmpty());
}

TEST(Retention, KeepsEveryNthBesides) {
  EXPECT_THAT(to_prune({0, 5, 10, 15, 20, 25}, 2, 10), ElementsAre(5, 15));
  EXPECT_THAT(to_prune({0, 5, 10, 15}, 1, 1), IsEmpty());
}

}  // namespace
}  // namespace holdfast::storage
