// Names in /dev/shm: what a helper that is killed while it makes an arena leaves, and who takes it away.
#include "transport/arena_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/shared_memory.hpp"
#include "support/processes.hpp"
#include "unit/transport/processes.hpp"

namespace holdfast::transport::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t large = 256 << 20;
constexpr std::chrono::seconds patience(20);

/// Of what has a name there.
std::uint64_t bytes_in(const fs::path& directory) {
  std::uint64_t bytes = 0;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(directory, gone)) {
    struct stat status {};
    if (lstat(entry.path().c_str(), &status) == 0) bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  return bytes;
}

/// Of the directory of a helper that does not run.
std::string directory_name() {
  return arena_directory_of(unique_address().socket_name).filename().string();
}

/// Something in /dev/shm, which goes with the test. A helper of another test may sweep there at any moment, so a
/// directory gets its name when it has its content.
class Left {
 public:
  explicit Left(const std::string& name) : path_(fs::path(shared_memory_path) / name) {}
  ~Left() { fs::remove_all(path_); }
  Left(const Left&) = delete;
  Left& operator=(const Left&) = delete;
  [[nodiscard]] const fs::path& path() const noexcept { return path_; }
  [[nodiscard]] bool there() const { return fs::exists(path_); }
  void make_file(const fs::path& file) const { std::ofstream(file) << std::string(1 << 20, 'x'); }
  void make_directory_with_a_file(const std::function<void(const fs::path&)>& add = [](const fs::path&) {}) const {
    const Left unnamed("test_" + path_.filename().string());
    fs::create_directory(unnamed.path());
    make_file(unnamed.path() / "ucx_shm_posix_1");
    add(unnamed.path());
    fs::rename(unnamed.path(), path_);
  }

 private:
  fs::path path_;
};

TEST(ArenaDirectory, IsGoneWithItsContentWhenItEnds) {
  const Left left(directory_name());
  {
    const ArenaDirectory directory(left.path());
    left.make_file(left.path() / "ucx_shm_posix_1");
    EXPECT_EQ(fs::status(left.path()).permissions(), fs::perms::owner_all);
  }
  EXPECT_FALSE(left.there());
}

TEST(ArenaDirectory, TakesANameAwayAndLeavesAnotherFileForUcx) {
  const Left left(directory_name());
  const ArenaDirectory directory(left.path());
  std::jthread hiding([&](const std::stop_token& stop) { directory.hide_memory(stop); });
  const fs::path name = left.path() / "ucx_shm_posix_1";
  const FileDescriptor memory(open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  hiding = {};
  if (fs::exists(left.path() / "stand-in")) directory.hide_memory({});  // the thread was ended before it looked
  struct stat status {};
  ASSERT_EQ(fstat(memory.get(), &status), 0);
  EXPECT_EQ(status.st_nlink, 0U);
  EXPECT_EQ(unlink(name.c_str()), 0);
}

/// Whoever sweeps first removes it, and says so.
TEST(Sweep, RemovesWhatNobodyHolds) {
  const Left left(directory_name());
  left.make_directory_with_a_file();
  testing::internal::CaptureStderr();
  sweep_arena_directories();
  const std::string log = testing::internal::GetCapturedStderr();
  if (log.find(left.path().string()) != log.npos) {
    EXPECT_THAT(log, testing::HasSubstr("1048576 bytes"));
  }
  EXPECT_TRUE(holdfast::test::within(patience, [&] { return !left.there(); }));
}

TEST(Sweep, KeepsWhatSomebodyHolds) {
  const Left left(directory_name());
  const ArenaDirectory directory(left.path());
  left.make_file(left.path() / "ucx_shm_posix_1");
  sweep_arena_directories();
  EXPECT_TRUE(fs::exists(left.path() / "ucx_shm_posix_1"));
}

TEST(Sweep, KeepsWhatIsNotOurs) {
  const Left other_program(fmt::format("ucx_shm_posix_test_{}", getpid())), no_directory(directory_name()),
      other_directory(fmt::format("holdfast-run-{}", getpid())), other_content(directory_name());
  other_program.make_file(other_program.path());
  no_directory.make_file(no_directory.path());
  other_directory.make_directory_with_a_file();
  other_content.make_directory_with_a_file(
      [&](const fs::path& there) { other_content.make_file(there / "step-1.h5"); });
  sweep_arena_directories();
  EXPECT_TRUE(other_program.there());
  EXPECT_TRUE(no_directory.there());
  EXPECT_TRUE(fs::exists(other_directory.path() / "ucx_shm_posix_1"));
  EXPECT_TRUE(fs::exists(other_content.path() / "step-1.h5"));
}

TEST(Sweep, KeepsWhatIsAnotherUsers) {
  constexpr uid_t somebody = 54321;
  const Left left(directory_name());
  bool given = false;
  left.make_directory_with_a_file(
      [&](const fs::path& there) { given = chown(there.c_str(), somebody, somebody) == 0; });
  if (!given) GTEST_SKIP() << "this process may not give files away (that needs root)";
  sweep_arena_directories();
  EXPECT_TRUE(left.there());
}

/// A helper that makes a large arena, and a rank that waits for it.
struct Making {
  Address address = unique_address();
  fs::path directory = arena_directory_of(address.socket_name);
  std::unique_ptr<Process> helper = start_helper(address);
  std::unique_ptr<Connection> rank = connect(address, 0, Transport::automatic, soon());

  Making() { send(*rank, OpenArena{.slot = 0, .bytes = large}, soon()); }
  /// Looks without a pause; false if it had come and gone, or never came.
  [[nodiscard]] bool sees(const std::function<bool()>& condition) const {
    for (const Deadline deadline = soon(); !deadline.over() && !rank->receive(Deadline(Seconds(0)));)
      if (condition()) return true;
    return false;
  }
  /// UCX's name is there, and no memory has it.
  [[nodiscard]] bool hidden() const {
    std::error_code gone;
    return fs::exists(directory, gone) && !fs::exists(directory / "stand-in", gone) && !fs::is_empty(directory, gone) &&
           !gone;
  }
};

TEST(KilledWhileItMakesAnArena, LeavesNothingAfterTheNextStart) {
  int seen = 0;
  for (int round = 0; round < 8; ++round) {
    const Making making;
    if (!making.sees([&] { return fs::exists(making.directory); })) continue;  // this process was late
    ++seen;
    std::this_thread::sleep_for(std::chrono::milliseconds(round * round));  // varies the moment; nothing waits for it
    making.helper->kill();
    const auto next = start_helper(unique_address());
    EXPECT_TRUE(holdfast::test::within(patience, [&] { return !fs::exists(making.directory); })) << "round " << round;
  }
  EXPECT_GT(seen, 0) << "no helper was ever seen making an arena";
}

TEST(KilledWhileItMakesAnArena, LeavesNoMemory) {
  for (int round = 0; round < 20; ++round) {
    const Making making;
    const Left left(making.directory.filename().string());
    if (!making.sees([&] { return making.hidden(); })) continue;  // this process was late
    making.helper->kill();
    EXPECT_EQ(bytes_in(making.directory), 0U);
    return;
  }
  FAIL() << "the memory was never without a name while it was made";
}

TEST(KilledAfterItMadeAnArena, LeavesNoName) {
  const Address address = unique_address();
  const auto helper = start_helper(address);
  const auto connection = connect(address, 0, Transport::automatic, soon());
  const auto arena = open_arena(*connection, 0, 1 << 20);
  EXPECT_FALSE(fs::exists(arena_directory_of(address.socket_name)));
  helper->kill();
  EXPECT_FALSE(fs::exists(arena_directory_of(address.socket_name)));
}

}  // namespace
}  // namespace holdfast::transport::test
