// A real file system that goes bad in the middle of a save: it fills up, turns read-only, the directory or its
// permissions are taken away, in front of any system call of any writer. A small tmpfs that is mounted for the test,
// which takes root.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <random>

#include "base/error_text.hpp"
#include "base/unique_handle.hpp"
#include "sample_save.hpp"
#include "storage/directory/catalog.hpp"
#include "storage/directory/checkpoint_store.hpp"
#include "storage/format/format.hpp"
#include "storage/write/hdf5_file.hpp"
#include "support/mpi_fixture.hpp"
#include "system_calls.hpp"

namespace holdfast::storage {
namespace {

namespace fs = std::filesystem;
using holdfast::test::broadcast_text;
using test::mistake;
using test::SampleSave;

const std::string mount_options = "size=8M";

SampleSave sample_of(int writers) {
  SampleSave sample(writers);
  sample.add({"large", plan::DatasetKind::tensor, DType::u8, {1 << 10, 1 << 10}});
  sample.add({"small", plan::DatasetKind::tensor, DType::f64, {60, 3}});
  sample.add({"text", plan::DatasetKind::string, DType::u8, {3000}});
  return sample;
}

/// This thread, and those that it starts, have no privileges while it lives: root's would pass over modes.
class Unprivileged {
 public:
  Unprivileged() {
    syscall(SYS_capget, &header_, before_);
    lay_down();
  }
  ~Unprivileged() { syscall(SYS_capset, &header_, before_); }

  /// Runs `action` with what was laid down.
  template <class Action>
  void suspend(Action&& action) {
    syscall(SYS_capset, &header_, before_);
    action();
    lay_down();
  }

 private:
  void lay_down() {
    __user_cap_data_struct none[2] = {before_[0], before_[1]};
    none[0].effective = none[1].effective = 0;
    syscall(SYS_capset, &header_, none);
  }

  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct before_[2]{};
};

/// What happens to a file system, and how it ends.
struct Trouble {
  const char* name;
  void (*begin)(const fs::path& disk);
  void (*end)(const fs::path& disk);
};

void require(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what + ": " + errno_text(errno));
}

void fill(const fs::path& disk) {
  std::ofstream filler(disk / "filler");
  const std::string page(4096, 'x');
  while (filler) filler << page << std::flush;
}
void empty(const fs::path& disk) {
  fs::remove(disk / "filler");
}

/// A read-only mount of the directory on itself. It is read-only before it is there: no other writer can have opened a
/// file in it.
void cover(const fs::path& disk) {
  const fs::path dir = disk / "ckpt";
  const FileDescriptor tree(::open_tree(AT_FDCWD, dir.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  require(tree.get() >= 0, "open_tree");
  mount_attr read_only{.attr_set = MOUNT_ATTR_RDONLY, .attr_clr = 0, .propagation = 0, .userns_fd = 0};
  require(::mount_setattr(tree.get(), "", AT_EMPTY_PATH, &read_only, sizeof read_only) == 0, "mount_setattr");
  require(::move_mount(tree.get(), "", AT_FDCWD, dir.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0, "move_mount");
}
void uncover(const fs::path& disk) {
  require(::umount2((disk / "ckpt").c_str(), MNT_DETACH) == 0, "umount");
}

const std::vector<Trouble>& troubles() {
  static const std::vector<Trouble> all = {
      {"DiskFull", fill, empty},
      {"ReadOnly", cover, uncover},
      {"DirectoryGone", [](const fs::path& disk) { fs::rename(disk / "ckpt", disk / "away"); },
       [](const fs::path& disk) { fs::rename(disk / "away", disk / "ckpt"); }},
      {"PermissionTaken", [](const fs::path& disk) { fs::permissions(disk / "ckpt", fs::perms::none); },
       [](const fs::path& disk) { fs::permissions(disk / "ckpt", fs::perms::owner_all); }}};
  return all;
}

class FileSystemGoesBad : public testing::TestWithParam<Trouble> {
 protected:
  void SetUp() override {
    std::string problem;
    if (comm_.rank() == 0 && ::mount("tmpfs", disk_.c_str(), "tmpfs", 0, mount_options.c_str()) != 0)
      problem = errno_text(errno);
    problem = broadcast_text(problem, 0, MPI_COMM_WORLD);
    if (!problem.empty()) GTEST_SKIP() << "a small tmpfs cannot be mounted here (it takes root): " << problem;
    mounted_ = true;
    comm_.barrier();
    const Unprivileged unprivileged;
    store_.emplace(comm_, make_posix_filesystem(), make_checkpoint_file(comm_),
                   StoreOptions{.directory = disk_ / "ckpt", .keep_last = 2, .nonce = "n", .holder = "test"});
    save(++step_);
  }
  void TearDown() override {
    store_.reset();
    comm_.barrier();
    if (mounted_ && comm_.rank() == 0) {
      EXPECT_EQ(::umount2(disk_.c_str(), MNT_DETACH), 0) << errno_text(errno);
    }
    comm_.free();
  }

  fs::path save(std::int64_t step) { return store_->save(sample_.request(step, comm_.rank())).path; }
  [[nodiscard]] fs::path file(std::int64_t step) const { return disk_ / "ckpt" / file_name(step); }

  /// The trouble begins in front of call number `at` of writer `victim`, and ends after the save. False: there is no
  /// such call.
  bool save_in_trouble(int victim, int at, std::int64_t step, std::optional<Error>& error) {
    int calls = 0;
    {
      Unprivileged unprivileged;
      std::optional<test::Watch> watch;
      if (comm_.rank() == victim)
        watch.emplace(disk_ / "ckpt", [&](const test::SystemCall&) {
          if (calls++ == at) unprivileged.suspend([&] { GetParam().begin(disk_); });
          return 0;
        });
      try {
        save(step);
      } catch (const Error& failure) {
        error = failure;
      }
    }
    comm_.barrier();
    if (comm_.rank() == victim && calls > at) GetParam().end(disk_);
    return holdfast::test::all_true(MPI_COMM_WORLD, comm_.rank() != victim || calls > at);
  }

  mpi::Communicator comm_ = mpi::Communicator::duplicate(MPI_COMM_WORLD);
  holdfast::test::SharedDirectory directory_;
  fs::path disk_ = directory_.path();
  bool mounted_ = false;
  SampleSave sample_ = sample_of(comm_.size());
  std::optional<CheckpointStore> store_;
  std::int64_t step_ = 0;
};

TEST_P(FileSystemGoesBad, AtAnyMomentCostsOnlyThatSave) {
  std::mt19937 random(std::random_device{}());
  const auto seed = static_cast<unsigned>(std::stoul(broadcast_text(std::to_string(random()), 0, MPI_COMM_WORLD)));
  random.seed(seed);
  if (comm_.rank() == 0) std::printf("seed %u\n", seed);
  int failed = 0, committed = 0;
  for (int victim = 0; victim < comm_.size(); ++victim) {
    for (int at = 0;; at += 1 + static_cast<int>(random() % 5)) {
      SCOPED_TRACE("writer " + std::to_string(victim) + ", call " + std::to_string(at));
      const std::int64_t old = step_;
      std::optional<Error> error;
      const bool happened = save_in_trouble(victim, at, ++step_, error);
      comm_.barrier();
      if (error) {
        ++failed;
        EXPECT_EQ(error->code(), ErrorCode::storage) << error->what();
        EXPECT_TRUE(error->context().path.starts_with(disk_.string())) << error->what();
        EXPECT_EQ(mistake(file(old), sample_, old), "") << "the one before, after: " << error->what();
        // Where the directory went before its name was durable, nobody could take it back; then it is whole.
        if (fs::exists(file(step_))) {
          EXPECT_EQ(mistake(file(step_), sample_, step_), "") << error->what();
        }
      } else {
        ++committed;
        EXPECT_EQ(mistake(file(step_), sample_, step_), "");
      }
      comm_.barrier();
      const Unprivileged unprivileged;
      const fs::path next = save(++step_);
      EXPECT_EQ(mistake(next, sample_, step_), "") << "the next save";
      comm_.barrier();
      for (const auto& entry : fs::directory_iterator(disk_ / "ckpt")) {
        const std::string name = entry.path().filename().string();
        EXPECT_TRUE(!is_partial_name(name) || name.find(".spare.") != name.npos) << name;
      }
      comm_.barrier();
      if (!happened || HasFailure()) break;
    }
  }
  if (comm_.rank() == 0) std::printf("%d saves failed, %d were committed\n", failed, committed);
  EXPECT_GT(failed, 0);
}

INSTANTIATE_TEST_SUITE_P(Troubles, FileSystemGoesBad, testing::ValuesIn(troubles()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace holdfast::storage
