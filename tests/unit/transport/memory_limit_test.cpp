// What control groups leave: from files as the kernel shows them, and with a helper in a group that is really too
// small.
#include "base/memory_limit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "support/temporary_directory.hpp"
#include "unit/transport/processes.hpp"

namespace holdfast::transport::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class MemoryLimits : public testing::Test {
 protected:
  void write(const fs::path& name, const std::string& text) const {
    fs::create_directories((root / name).parent_path());
    std::ofstream(root / name) << text;
  }
  void version_1(const std::string& group, const std::string& limit, const std::string& usage,
                 const std::string& stat = "") const {
    const fs::path place = fs::path("memory") / group;
    write(place / "memory.limit_in_bytes", limit + "\n");
    write(place / "memory.usage_in_bytes", usage + "\n");
    write(place / "memory.stat", stat);
  }
  void version_2(const std::string& group, const std::string& limit, const std::string& usage,
                 const std::string& stat = "") const {
    const fs::path place = fs::path("unified") / group;
    write(place / "memory.max", limit + "\n");
    write(place / "memory.current", usage + "\n");
    write(place / "memory.stat", stat);
  }
  [[nodiscard]] ControlGroupFiles files(const std::string& membership) const {
    write("mounts", "tmpfs " + root.string() + " tmpfs rw 0 0\ncgroup " + root.string() +
                        "/cpu cgroup rw,relatime,cpu 0 0\ncgroup " + root.string() +
                        "/memory cgroup rw,relatime,memory 0 0\ncgroup2 " + root.string() +
                        "/unified cgroup2 rw 0 0\n");
    write("membership", membership);
    return {.mounts = root / "mounts", .membership = root / "membership"};
  }

  holdfast::test::TemporaryDirectory directory;
  const fs::path root = directory.path();
};

TEST_F(MemoryLimits, NoneWhereThereIsNone) {
  EXPECT_FALSE(memory_limit(files("")));
  EXPECT_FALSE(memory_limit(files("4:memory:/job\n0::/\n"))) << "nothing to read";
  version_1("", "9223372036854771712", "500");
  version_2("", "max", "500");
  EXPECT_FALSE(memory_limit(files("4:memory:/\n0::/\n")));
  EXPECT_FALSE(memory_limit({.mounts = "/nowhere", .membership = "/nowhere"}));
}

TEST_F(MemoryLimits, TheTightestOnTheWayToTheRootCounts) {
  version_1("", "9223372036854771712", "700");
  version_1("slurm/job_7", "1000", "600");
  version_1("slurm/job_7/step_1", "900", "100");
  const auto limit = memory_limit(files("9:name=systemd:/x\n4:cpu,memory:/slurm/job_7/step_1\n0::/\n"));
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->left_bytes, 400U);
  EXPECT_EQ(limit->limit_bytes, 1000U);
  EXPECT_EQ(limit->group, (root / "memory/slurm/job_7").string());
}

TEST_F(MemoryLimits, Version2) {
  version_2("job/step", "max", "600");
  version_2("job", "2000", "500");
  const auto limit = memory_limit(files("0::/job/step\n"));
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->left_bytes, 1500U);
}

/// The kernel gives file cache back when memory is wanted. Shared memory counts as cache in version 1, and is none.
TEST_F(MemoryLimits, FileCacheIsNotInUse) {
  version_1("job", "1000", "990",
            "cache 900\ninactive_file 1\ntotal_cache 900\ntotal_inactive_file 500\ntotal_active_file 200\n");
  EXPECT_EQ(memory_limit(files("4:memory:/job\n")).value().left_bytes, 710U);
  version_2("job", "1000", "990", "file 900\ninactive_file 300\nactive_file 50\n");
  EXPECT_EQ(memory_limit(files("0::/job\n")).value().left_bytes, 360U);
}

TEST_F(MemoryLimits, UseBeyondTheLimitLeavesNothing) {
  version_1("job", "1000", "1200");
  EXPECT_EQ(memory_limit(files("4:memory:/job\n")).value().left_bytes, 0U);
}

TEST_F(MemoryLimits, TheErrorHasTheNumbersAndTheGroup) {
  version_1("job", "1000", "300");
  const ControlGroupFiles here = files("4:memory:/job\n");
  EXPECT_NO_THROW(require_memory(700, "an arena", here));
  try {
    require_memory(701, "an arena", here);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("an arena"), HasSubstr("701"), HasSubstr("1000"), HasSubstr("700 are left")));
    EXPECT_EQ(error.context().path, (root / "memory/job").string());
  }
}

/// A control group of ours below the one that this process is in, of whichever version counts memory here.
class LimitedGroup {
 public:
  explicit LimitedGroup(std::uint64_t bytes) {
    for (const auto& [parent, limit] :
         {std::pair{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, std::pair{"/sys/fs/cgroup", "memory.max"}}) {
      path_ = fs::path(parent) / ("holdfast-test-" + std::to_string(getpid()));
      std::error_code error;
      if (!fs::create_directory(path_, error) || error) continue;
      if (std::ofstream file(path_ / limit); fs::exists(path_ / limit) && file << bytes << std::flush) {
        made_ = true;
        return;
      }
      fs::remove(path_, error);
    }
  }
  ~LimitedGroup() {
    for (const Deadline deadline = soon(); made_ && rmdir(path_.c_str()) != 0 && !deadline.over();)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  LimitedGroup(const LimitedGroup&) = delete;
  LimitedGroup& operator=(const LimitedGroup&) = delete;

  [[nodiscard]] bool made() const noexcept { return made_; }
  [[nodiscard]] const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
  bool made_ = false;
};

TEST(LimitedHelper, RefusesAnArenaBeyondItsLimitAndLives) {
  const LimitedGroup group(100 << 20);
  if (!group.made()) GTEST_SKIP() << "this process may not make a control group with a memory limit (that needs root)";
  const Address address = unique_address();
  const std::string script =
      "echo $$ >" + (group.path() / "cgroup.procs").string() + " && exec " + TRANSPORT_PEER + " serve \"$0\" \"$1\"";
  Process helper({"sh", "-c", script, address.socket_name, address.nonce});
  ASSERT_TRUE(helper.says("listening"));
  const auto connection = connect(address, 0, Transport::automatic, soon());
  for (int i = 0; i < 2; ++i) {
    try {
      static_cast<void>(open_arena(*connection, 0, 128 << 20));
      FAIL() << "128 MiB cannot fit into 100";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::out_of_memory) << error.what();
      EXPECT_THAT(error.message(), HasSubstr(std::to_string(100 << 20)));
      EXPECT_EQ(error.context().path, group.path());
    }
    const auto arena = open_arena(*connection, 0, 40 << 20);
    std::fill(arena->memory().begin(), arena->memory().end(), std::byte{1});  // every page is really there
  }
}

}  // namespace
}  // namespace holdfast::transport::test
