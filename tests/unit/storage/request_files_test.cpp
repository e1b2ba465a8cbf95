#include "storage/directory/request_files.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "support/temporary_directory.hpp"

namespace holdfast::storage {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RequestFilesTest : public testing::Test {
 protected:
  /// The next time at which there is a look.
  RequestFiles::Found look(RequestFiles& files) { return files.look(now_ += RequestFiles::look_every); }
  void put(const char* name) const { std::ofstream(dir_ / name) << "please"; }
  /// One that unlink(2) refuses, whoever asks.
  void put_unremovable_save_now() const { fs::create_directory(dir_ / "save-now"); }

  test::TemporaryDirectory directory_;
  fs::path dir_ = directory_.path();
  RequestFiles files_{dir_, true};
  Clock::time_point now_ = Clock::now();
};

TEST_F(RequestFilesTest, NoFileIsNoRequest) {
  EXPECT_FALSE(look(files_).save_now);
  EXPECT_FALSE(look(files_).halt);
  RequestFiles nowhere(dir_ / "absent", true);
  EXPECT_FALSE(look(nowhere).halt);
}

TEST_F(RequestFilesTest, SaveNowIsFoundOnceAndTakenAway) {
  for (int time = 0; time < 2; ++time) {
    put("save-now");
    EXPECT_TRUE(look(files_).save_now);
    EXPECT_FALSE(fs::exists(dir_ / "save-now"));
    EXPECT_FALSE(look(files_).save_now);
  }
}

TEST_F(RequestFilesTest, HaltStays) {
  put("halt");
  EXPECT_TRUE(look(files_).halt);
  EXPECT_TRUE(look(files_).halt);
  EXPECT_TRUE(fs::exists(dir_ / "halt"));
  fs::remove(dir_ / "halt");
  EXPECT_FALSE(look(files_).halt);
}

TEST_F(RequestFilesTest, LooksAtMostOncePerSecond) {
  put("halt");
  EXPECT_TRUE(files_.look(now_).halt);
  EXPECT_FALSE(files_.look(now_).halt);
  EXPECT_FALSE(files_.look(now_ + std::chrono::milliseconds(999)).halt);
  EXPECT_TRUE(files_.look(now_ + std::chrono::seconds(1)).halt);
}

TEST_F(RequestFilesTest, ASaveNowThatCannotBeRemovedIsTakenUpOnceWithAWarning) {
  put_unremovable_save_now();
  testing::internal::CaptureStderr();
  EXPECT_TRUE(look(files_).save_now);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr((dir_ / "save-now").string()));
  testing::internal::CaptureStderr();
  EXPECT_FALSE(look(files_).save_now);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(RequestFilesTest, ASaveNowThatCannotBeRemovedAsksAgainWhenTouched) {
  put_unremovable_save_now();
  testing::internal::CaptureStderr();
  EXPECT_TRUE(look(files_).save_now);
  fs::last_write_time(dir_ / "save-now", fs::file_time_type::clock::now() + std::chrono::seconds(1));
  EXPECT_TRUE(look(files_).save_now);
  EXPECT_FALSE(look(files_).save_now);
  testing::internal::GetCapturedStderr();
}

TEST_F(RequestFilesTest, WhoTakesNoSavesLeavesSaveNowAlone) {
  RequestFiles reader(dir_, false);
  put("save-now");
  put("halt");
  EXPECT_FALSE(look(reader).save_now);
  EXPECT_TRUE(look(reader).halt);
  EXPECT_TRUE(fs::exists(dir_ / "save-now"));
}

TEST_F(RequestFilesTest, WhatCannotBeLookedAtIsToldOnce) {
  fs::create_symlink("loop", dir_ / "loop");
  RequestFiles files(dir_ / "loop", true);
  testing::internal::CaptureStderr();
  EXPECT_FALSE(look(files).save_now);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("ELOOP"));
  testing::internal::CaptureStderr();
  EXPECT_FALSE(look(files).halt);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace holdfast::storage
