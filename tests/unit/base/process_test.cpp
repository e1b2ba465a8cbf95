#include "base/process.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>

#include "base/unique_handle.hpp"

namespace holdfast {
namespace {

/// A child that ends, and is reaped, so that all that is left of it is its descriptor.
FileDescriptor ended_child(const std::function<void()>& end) {
  const pid_t pid = fork();
  if (pid == 0) {
    end();
    _exit(0);
  }
  FileDescriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  waitpid(pid, nullptr, 0);
  return process;
}

/// Linux 6.15 and later say how a process ended that is no child.
bool kernel_tells() {
  utsname name{};
  int major = 0, minor = 0;
  uname(&name);
  std::sscanf(name.release, "%d.%d", &major, &minor);
  return major > 6 || (major == 6 && minor >= 15);
}

TEST(Process, TellsHowItEnded) {
  const auto killed = ended_child([] { raise(SIGKILL); });
  EXPECT_EQ(process::how_it_ended(killed.get()), kernel_tells() ? ", killed by signal 9 (SIGKILL)" : "");
  const auto left = ended_child([] { _exit(3); });
  EXPECT_EQ(process::how_it_ended(left.get()), kernel_tells() ? ", exit status 3" : "");
}

TEST(Process, OneThatLivesHasNotEnded) {
  const FileDescriptor self(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  EXPECT_FALSE(process::has_ended(self.get(), Deadline(Seconds(0))));
  EXPECT_EQ(process::how_it_ended(self.get()), "");
}

TEST(Process, OneThatNobodyHasReapedIsKnownToHaveEnded) {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  const FileDescriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  EXPECT_TRUE(process::has_ended(process.get(), Deadline(Seconds(10))));
  EXPECT_FALSE(process::is_reaped(process.get(), Deadline(Seconds(0.05))));
  waitpid(pid, nullptr, 0);
  EXPECT_TRUE(process::is_reaped(process.get(), Deadline(Seconds(0.05))));
}

TEST(Process, NoDescriptorIsNoProcess) {
  EXPECT_FALSE(process::has_ended(-1, Deadline(Seconds(0))));
  EXPECT_EQ(process::how_it_ended(-1), "");
  process::send_signal(-1, SIGKILL);
}

}  // namespace
}  // namespace holdfast
