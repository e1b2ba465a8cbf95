// Nobody gets in: modes of what is made, links that somebody planted, shared memory, ports.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <holdfast/checkpointer.hpp>
#include <iterator>
#include <set>
#include <sstream>

#include "support/mpi_fixture.hpp"
#include "support/processes.hpp"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

constexpr unsigned all_bits = 07777;

unsigned mode_of(const fs::path& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 ? status.st_mode & all_bits : ~0U;
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Inodes of the sockets in which this network listens for TCP.
std::set<std::string> listening() {
  std::set<std::string> inodes;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    for (std::string line; std::getline(file, line);) {
      std::istringstream text(line);
      const std::vector<std::string> words(std::istream_iterator<std::string>(text), {});
      if (words.size() > 9 && words[3] == "0A") inodes.insert("socket:[" + words[9] + "]");
    }
  }
  return inodes;
}

/// How many ports a process listens on.
std::size_t ports_of(int pid) {
  const std::set<std::string> all = listening();
  std::size_t count = 0;
  std::error_code ignored;  // a descriptor that is closed meanwhile
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd"))
    count += all.contains(fs::read_symlink(entry.path(), ignored));
  return count;
}

/// Modes of the shared memory that a process has open, less what only its owner may do.
std::set<unsigned> modes_for_others_of_shared_memory(int pid) {
  std::set<unsigned> modes;
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    std::error_code ignored;
    const std::string name = fs::read_symlink(entry.path(), ignored);
    struct stat status {};
    if (name.starts_with("/dev/shm/") && stat(entry.path().c_str(), &status) == 0) modes.insert(status.st_mode & 077U);
  }
  return modes;
}

class Privacy : public testing::Test {
 protected:
  void save(const Options& options, std::int64_t step) {
    Checkpointer checkpointer(MPI_COMM_WORLD, options);
    save(checkpointer, step);
    checkpointer.close();
    MPI_Barrier(MPI_COMM_WORLD);
  }
  void save(Checkpointer& checkpointer, std::int64_t step) {
    StateDict state;
    state.add("value", value_);
    checkpointer.async_save(step, state).wait();
    MPI_Barrier(MPI_COMM_WORLD);
  }
  /// Every file's and directory's mode below the test's directory.
  [[nodiscard]] std::set<unsigned> modes(bool of_directories) const {
    std::set<unsigned> found;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.path()))
      if (!entry.is_symlink() && entry.is_directory() == of_directories) found.insert(mode_of(entry.path()));
    return found;
  }

  const int rank_ = rank_in(MPI_COMM_WORLD);
  SharedDirectory directory_;
  fs::path dir_ = directory_.path() / "deep" / "ckpt";
  std::int64_t value_ = 7;
};

TEST_F(Privacy, FilesAndDirectoriesAreTheUsersAlone) {
  save({.directory = dir_}, 1);
  EXPECT_EQ(modes(false), std::set<unsigned>{0600});
  EXPECT_EQ(modes(true), std::set<unsigned>{0700});
}

TEST_F(Privacy, OnRequestOthersMayRead) {
  save({.directory = dir_, .file_mode = 0640}, 1);
  EXPECT_EQ(modes(false), std::set<unsigned>{0640});
  EXPECT_EQ(modes(true), std::set<unsigned>{0750});
  // Files that MPI-IO makes follow, and so do new ones in a directory that is there.
  save({.directory = dir_, .file_mode = 0644, .mpi_io_hints = {{"striping_factor", "1"}}}, 2);
  EXPECT_EQ(mode_of(dir_ / "step-000000000002.h5"), 0644U);
  EXPECT_EQ(modes(true), std::set<unsigned>{0750});
}

TEST_F(Privacy, ModesThatCannotBeAreRefused) {
  for (const std::uint32_t mode : {0U, 0400U, 0700U, 0611U, 01600U})
    expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {"file_mode"},
                      [&] { Checkpointer(MPI_COMM_WORLD, {.directory = dir_, .file_mode = mode}); });
}

/// Whoever may write in the directory can put links there; what they point to stays as it is.
TEST_F(Privacy, LinksThatSomebodyPlantedAreNotFollowed) {
  save({.directory = dir_}, 1);
  const fs::path victim = directory_.path() / "victim";
  const auto plant = [&](const char* name) {
    if (rank_ == 0) {
      fs::remove(dir_ / name);
      fs::create_symlink(victim, dir_ / name);
    }
    MPI_Barrier(MPI_COMM_WORLD);
  };
  if (rank_ == 0) std::ofstream(victim) << "precious";
  plant("events.jsonl");
  plant("step-000000000002.h5");
  plant("latest");
  save({.directory = dir_}, 2);
  EXPECT_FALSE(fs::is_symlink(dir_ / "step-000000000002.h5"));
  EXPECT_EQ(fs::read_symlink(dir_ / "latest"), "step-000000000002.h5");
  EXPECT_EQ(content_of(victim), "precious");

  plant(".holdfast.lock");
  expect_same_error(MPI_COMM_WORLD, ErrorCode::storage, {"ELOOP", ".holdfast.lock"},
                    [&] { save({.directory = dir_}, 3); });
  EXPECT_EQ(content_of(victim), "precious");
}

/// A pipe in a file's place must not hold up anybody.
TEST_F(Privacy, PipesAreNotWaitedFor) {
  save({.directory = dir_}, 1);
  if (rank_ == 0) {
    fs::remove(dir_ / "events.jsonl");
    EXPECT_EQ(mkfifo((dir_ / "events.jsonl").c_str(), 0600), 0);
    EXPECT_EQ(mkfifo((dir_ / "step-000000000009.h5").c_str(), 0600), 0);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  save({.directory = dir_}, 2);
  value_ = 0;
  StateDict state;
  state.add("value", value_);
  Checkpointer reader(MPI_COMM_WORLD, {.directory = dir_, .read_only = true});
  EXPECT_EQ(reader.load(state).step, 2);
  EXPECT_EQ(value_, 7);
  reader.close();
}

/// MPI listens in each of its processes, the helper's too; nothing is added to that.
TEST_F(Privacy, NoPortIsOpenedAndSharedMemoryIsTheUsersAlone) {
  const std::size_t ports_of_mpi = ports_of(getpid());
  EXPECT_GT(ports_of_mpi, 0U) << "this test must see MPI's";
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_});
  save(checkpointer, 1);
  std::vector<int> processes = helpers_of_this_job();
  EXPECT_FALSE(processes.empty());
  processes.push_back(getpid());
  bool any_shared_memory = false;
  for (const int pid : processes) {
    EXPECT_LE(ports_of(pid), ports_of_mpi) << "process " << pid;
    const auto modes = modes_for_others_of_shared_memory(pid);
    any_shared_memory |= !modes.empty();
    for (const unsigned mode : modes) EXPECT_EQ(mode, 0U) << "shared memory of process " << pid;
  }
  EXPECT_TRUE(any_shared_memory);
  MPI_Barrier(MPI_COMM_WORLD);
  checkpointer.close();
}

}  // namespace
}  // namespace holdfast::test
