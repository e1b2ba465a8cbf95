// What a line costs, and that it is given back.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include "base/shared_memory.hpp"
#include "support/mappings.hpp"
#include "unit/transport/processes.hpp"

namespace holdfast::transport::test {
namespace {

using testing::HasSubstr;

class Resources : public testing::Test {
 protected:
  void cycle(int rank) {
    const auto connection = connect(address, rank, Transport::automatic, soon());
    connection->send(MessageType::plan, Bytes(100), soon());
    EXPECT_TRUE(connection->receive(soon()));
    connection->disconnect();
    EXPECT_TRUE(helper->says("lost " + std::to_string(rank)));
  }

  const Address address = unique_address();
  const std::unique_ptr<Process> helper = start_helper(address);
};

struct Usage {
  std::size_t descriptors;
  Resident resident;
};
Usage usage_of(pid_t pid) {
  return {descriptors_of(pid), resident_of(pid)};
}

#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t slack_bytes = 512 << 20;  // it keeps freed memory for a while
#else
constexpr std::size_t slack_bytes = 4 << 20;
#endif
constexpr std::size_t shared_slack_bytes = 4 << 20;  // parts of libraries count, too

/// A process may be behind by the step that gives things back; then it comes soon.
bool comes_back_to(const Usage& before, pid_t pid) {
  for (const Deadline deadline = soon(); !deadline.over(); std::this_thread::sleep_for(std::chrono::milliseconds(10))) {
    const Usage now = usage_of(pid);
    if (now.descriptors <= before.descriptors && now.resident.own_bytes <= before.resident.own_bytes + slack_bytes &&
        now.resident.shared_bytes <= before.resident.shared_bytes + shared_slack_bytes)
      return true;
  }
  return false;
}

TEST_F(Resources, ConnectionsLeaveNothingBehind) {
  for (int i = 0; i < 20; ++i) cycle(i);  // pools are filled
  const Usage helper_before = usage_of(helper->pid()), rank_before = usage_of(getpid());
  for (int i = 0; i < 200; ++i) cycle(i);
  EXPECT_TRUE(comes_back_to(helper_before, helper->pid()));
  EXPECT_TRUE(comes_back_to(rank_before, getpid()));
}

TEST_F(Resources, ArenasLieOnLargePages) {
  if (const std::string reason = holdfast::test::no_large_pages(); !reason.empty()) GTEST_SKIP() << reason;
  const auto connection = connect(address, 0, Transport::automatic, soon());
  const auto arena = open_arena(*connection, 0, (8 << 20) + 100);
  ASSERT_EQ(connection->transport(), Transport::mapped);
  EXPECT_EQ(holdfast::test::mapped_bytes(arena->memory().data(), "ShmemPmdMapped"), 8 << 20);
  connection->disconnect();
}

TEST_F(Resources, ArenasThatAreReplacedLeaveNothingBehind) {
  const auto connection = connect(address, 0, Transport::automatic, soon());
  for (int i = 0; i < 5; ++i) static_cast<void>(open_arena(*connection, 0, 4 << 20));
  const Usage helper_before = usage_of(helper->pid()), rank_before = usage_of(getpid());
  for (int i = 0; i < 100; ++i) static_cast<void>(open_arena(*connection, 0, 4 << 20));
  EXPECT_TRUE(comes_back_to(helper_before, helper->pid()));
  EXPECT_TRUE(comes_back_to(rank_before, getpid()));
}

TEST_F(Resources, AnIdleHelperUsesNoCpu) {
  const auto connection = connect(address, 0, Transport::automatic, soon());
  const auto other = start_rank(address, 1, "Idles");
  ASSERT_TRUE(other->says("ready"));
  connection->send(MessageType::plan, Bytes(1 << 20), soon());
  ASSERT_TRUE(connection->receive(soon()));
  const double before_s = helper->cpu_s();
  std::this_thread::sleep_for(std::chrono::seconds(3));  // the measurement's length
  EXPECT_LT(helper->cpu_s() - before_s, 0.03);
}

TEST_F(Resources, ARankThatDoesNotListenCostsTheHelperLittle) {
  const auto rank = start_rank(address, 1, "ask-and-idle");
  ASSERT_TRUE(rank->says("ready"));
  const double before_s = helper->cpu_s();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  EXPECT_LT(helper->cpu_s() - before_s, 0.2);
}

/// UCX gives a segment a name for the moment in which it opens it; another process may be in that moment right now.
bool vanishes(const std::filesystem::path& name) {
  for (const Deadline deadline = soon(); !deadline.over(); std::this_thread::sleep_for(std::chrono::milliseconds(10)))
    if (!std::filesystem::exists(name)) return true;
  return false;
}

TEST_F(Resources, NothingStandsInDevShmUnderAName) {
  const auto connection = connect(address, 0, Transport::automatic, soon());
  const auto arena = open_arena(*connection, 0, 1 << 20);
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    const bool of_ucx = entry.path().filename().string().starts_with("ucx_shm");
    EXPECT_TRUE(!of_ucx || vanishes(entry.path())) << entry.path();
  }
}

TEST_F(Resources, AnArenaBeyondTheSharedMemoryIsAnErrorWithNumbers) {
  const auto connection = connect(address, 0, Transport::automatic, soon());
  const std::uint64_t wish = free_shared_memory() + (1ULL << 40);
  try {
    static_cast<void>(open_arena(*connection, 0, wish));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    EXPECT_THAT(error.message(), HasSubstr(std::to_string(wish)));
    EXPECT_FALSE(error.context().host.empty());
  }
  EXPECT_NO_THROW(static_cast<void>(open_arena(*connection, 0, 4096)));
}

/// A helper that sees another /dev/shm, of `size`, or null where this process may not mount one.
std::unique_ptr<Process> start_helper_with_shared_memory(const Address& address, const std::string& size) {
  const std::string script =
      "mount -t tmpfs -o size=" + size + " tmpfs /dev/shm && exec " + TRANSPORT_PEER + " serve \"$0\" \"$1\"";
  auto helper = std::make_unique<Process>(
      std::vector<std::string>{"unshare", "--mount", "sh", "-c", script, address.socket_name, address.nonce});
  return helper->says("listening") ? std::move(helper) : nullptr;
}

TEST(SmallSharedMemory, IsAnErrorForTheArenaAndTheHelperServesOn) {
  const Address address = unique_address();
  const auto helper = start_helper_with_shared_memory(address, "40m");
  if (helper == nullptr) GTEST_SKIP() << "this process may not mount a small /dev/shm (that needs root)";
  const auto connection = connect(address, 0, Transport::automatic, soon());
  for (int i = 0; i < 2; ++i) {
    try {
      static_cast<void>(open_arena(*connection, 0, 64 << 20));
      FAIL() << "64 MiB cannot fit into 40";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::out_of_memory) << error.what();
      EXPECT_THAT(error.message(), HasSubstr("67108864"));
      EXPECT_EQ(error.context().path, "/dev/shm");
    }
    const auto arena = open_arena(*connection, 0, 16 << 20);
    std::fill(arena->memory().begin(), arena->memory().end(), std::byte{1});  // every page is really there
  }
}

TEST(SmallSharedMemory, TooSmallForALineIsARefusalWithNumbers) {
  const Address address = unique_address();
  const auto helper = start_helper_with_shared_memory(address, "1m");
  if (helper == nullptr) GTEST_SKIP() << "this process may not mount a small /dev/shm (that needs root)";
  try {
    static_cast<void>(connect(address, 0, Transport::automatic, soon()));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory) << error.what();
    EXPECT_THAT(error.message(), HasSubstr("1048576"));
  }
}

/// UCX takes over SIGSEGV, SIGHUP and others when it is loaded; in a program of ours they must be as they were.
TEST(Signals, AreNotHandledByUcx) {
  if (std::getenv("UCX_HANDLE_ERRORS") != nullptr) GTEST_SKIP() << "UCX_HANDLE_ERRORS asks for handlers";
  for (const int signal : {SIGHUP, SIGILL, SIGBUS, SIGFPE, SIGSEGV, SIGTERM, SIGUSR1}) {
    struct sigaction action {};
    ASSERT_EQ(sigaction(signal, nullptr, &action), 0);
    Dl_info handler{};
    if (dladdr(reinterpret_cast<const void*>(action.sa_handler), &handler) == 0) continue;  // none: the default
    EXPECT_THAT(handler.dli_fname, testing::Not(HasSubstr("libucs"))) << strsignal(signal);
  }
}

}  // namespace
}  // namespace holdfast::transport::test
