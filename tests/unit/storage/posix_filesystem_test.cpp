#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <holdfast/error.hpp>
#include <sstream>

#include "base/clock.hpp"
#include "base/error_text.hpp"
#include "storage/directory/filesystem.hpp"
#include "support/temporary_directory.hpp"

namespace holdfast::storage {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

std::string content(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class PosixFileSystemTest : public testing::Test {
 protected:
  /// Expects Error(storage) with this path, host and errno.
  void expect_error(const fs::path& path, const std::string& errno_name, const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "no error for " << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::storage);
      EXPECT_EQ(error.context().path, path.string());
      EXPECT_EQ(error.context().host, host_name());
      EXPECT_THAT(error.message(), HasSubstr(errno_name));
    }
  }

  test::TemporaryDirectory directory_;
  fs::path dir_ = directory_.path();
  std::unique_ptr<FileSystem> files_ = make_posix_filesystem();
};

TEST_F(PosixFileSystemTest, MakesDirectoriesWithTheirParents) {
  files_->make_directory(dir_ / "a" / "b");
  EXPECT_TRUE(fs::is_directory(dir_ / "a" / "b"));
  files_->make_directory(dir_ / "a" / "b");
  std::ofstream(dir_ / "file");
  expect_error(dir_ / "file", "ENOTDIR", [&] { files_->make_directory(dir_ / "file"); });
  expect_error(dir_ / "file" / "x", "ENOTDIR", [&] { files_->make_directory(dir_ / "file" / "x"); });
}

TEST_F(PosixFileSystemTest, ReservesRealSpace) {
  std::ofstream(dir_ / "f");
  files_->reserve(dir_ / "f", 1 << 20);
  struct stat status {};
  ASSERT_EQ(stat((dir_ / "f").c_str(), &status), 0);
  EXPECT_GE(status.st_blocks * 512, 1 << 20);
  expect_error(dir_ / "absent", "ENOENT", [&] { files_->reserve(dir_ / "absent", 1); });
}

TEST_F(PosixFileSystemTest, AFailedReservationSaysHowMuchWasWanted) {
  std::ofstream(dir_ / "f");
  const std::uint64_t wanted = std::uint64_t{1} << 62;
  try {
    files_->reserve(dir_ / "f", wanted);
    ADD_FAILURE() << "4 EiB were reserved";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), AllOf(HasSubstr(std::to_string(wanted)), HasSubstr("free")));
  }
}

TEST_F(PosixFileSystemTest, NamesTheFileThatIsMissing) {
  const fs::path absent = dir_ / "absent";
  expect_error(absent, "ENOENT", [&] { files_->check_access(absent); });
  expect_error(absent, "ENOENT", [&] { files_->sync_file(absent); });
  expect_error(absent, "ENOENT", [&] { files_->sync_directory(absent); });
  expect_error(absent, "ENOENT", [&] { (void)files_->list(absent); });
  expect_error(absent, "ENOENT", [&] { (void)files_->free_bytes(absent); });
  expect_error(dir_ / "to", "ENOENT", [&] { files_->rename(absent, dir_ / "to"); });
  expect_error(absent / "x", "ENOENT", [&] { files_->append(absent / "x", "text"); });
  files_->remove(absent);
}

TEST_F(PosixFileSystemTest, RenameReplaces) {
  std::ofstream(dir_ / "old") << "old";
  std::ofstream(dir_ / "new") << "new";
  files_->rename(dir_ / "new", dir_ / "old");
  EXPECT_EQ(content(dir_ / "old"), "new");
  EXPECT_THAT(files_->list(dir_), ElementsAre("old"));
}

TEST_F(PosixFileSystemTest, LinksAreReplaced) {
  std::ofstream(dir_ / "one") << "1";
  std::ofstream(dir_ / "two") << "2";
  files_->replace_link("one", dir_ / "latest");
  EXPECT_EQ(content(dir_ / "latest"), "1");
  files_->replace_link("two", dir_ / "latest");
  EXPECT_EQ(content(dir_ / "latest"), "2");
  EXPECT_EQ(fs::read_symlink(dir_ / "latest"), "two");
  EXPECT_THAT(files_->list(dir_), UnorderedElementsAre("one", "two", "latest"));
}

TEST_F(PosixFileSystemTest, AppendsLineAfterLine) {
  files_->append(dir_ / "events", "one\n");
  files_->append(dir_ / "events", "two\n");
  EXPECT_EQ(content(dir_ / "events"), "one\ntwo\n");
}

TEST_F(PosixFileSystemTest, NoLinkIsFollowedInAFilesPlace) {
  std::ofstream(dir_ / "victim") << "precious";
  fs::create_symlink("victim", dir_ / "link");
  const fs::path link = dir_ / "link";
  expect_error(link, "ELOOP", [&] { files_->check_access(link); });
  expect_error(link, "ELOOP", [&] { files_->reserve(link, 1 << 20); });
  expect_error(link, "ELOOP", [&] { files_->sync_file(link); });
  expect_error(link, "ELOOP", [&] { files_->append(link, "text"); });
  expect_error(link, "ELOOP", [&] { (void)files_->lock(link, "holder", 0.1); });
  EXPECT_EQ(content(dir_ / "victim"), "precious");
  files_->remove(link);
  EXPECT_EQ(content(dir_ / "victim"), "precious");
}

TEST_F(PosixFileSystemTest, AFileModeHoldsWhateverTheUmask) {
  const auto mode_of = [](const fs::path& path) { return static_cast<unsigned>(fs::status(path).permissions()); };
  const mode_t before = umask(077);
  {
    const FileMode mode(0640);
    files_->append(dir_ / "events", "text");
    files_->make_directory(dir_ / "made");
  }
  EXPECT_EQ(umask(before), 077U) << "the umask is given back";
  EXPECT_EQ(mode_of(dir_ / "events"), 0640U);
  EXPECT_EQ(mode_of(dir_ / "made"), 0750U);
  make_posix_filesystem(private_file)->append(dir_ / "private", "text");
  EXPECT_EQ(mode_of(dir_ / "private"), 0600U);
  umask(077);
  make_posix_filesystem(0644)->append(dir_ / "for-all", "text");
  umask(before);
  EXPECT_EQ(mode_of(dir_ / "for-all"), 0644U) << "the umask does not matter";
}

TEST_F(PosixFileSystemTest, ALockIsHeldOnceAndNamesItsHolder) {
  const fs::path file = dir_ / ".lock";
  auto held = files_->lock(file, "host n1, pid 42", 0.1);
  const Stopwatch waited;
  testing::internal::CaptureStderr();
  try {
    (void)files_->lock(file, "another", 0.1);
    ADD_FAILURE() << "two hold the lock";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::in_use);
    EXPECT_THAT(error.message(), HasSubstr("host n1, pid 42"));
    EXPECT_EQ(error.context().path, dir_.string());
  }
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("host n1, pid 42; waiting up to"));
  EXPECT_GE(waited.seconds(), 0.1);
  EXPECT_LT(waited.seconds(), 5);
  EXPECT_EQ(content(file), "host n1, pid 42");
  held.reset();
  held = files_->lock(file, "pid 7", 0.1);
  EXPECT_EQ(content(file), "pid 7");
}

}  // namespace
}  // namespace holdfast::storage
