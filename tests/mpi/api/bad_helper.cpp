// A helper that is missing, is something else, exits at once, or never answers: an error within the deadline on all
// ranks.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <holdfast/checkpointer.hpp>

#include "support/mpi_fixture.hpp"
#include "support/processes.hpp"

namespace holdfast::test {
namespace {

class BadHelper : public testing::Test {
 protected:
  /// A helper program that is a shell script of `body`.
  std::filesystem::path script(const std::string& body) {
    const auto path = directory_.path() / "helper";
    if (rank_in(MPI_COMM_WORLD) == 0) {
      std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
      std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    return path;
  }
  void refuse(const std::filesystem::path& helper, std::initializer_list<std::string> words, double timeout_s = 20) {
    expect_same_error(MPI_COMM_WORLD, ErrorCode::launch, words, [&] {
      Checkpointer(MPI_COMM_WORLD,
                   {.directory = directory_.path() / "ckpt", .helper_program = helper, .launch_timeout_s = timeout_s});
    });
  }
  SharedDirectory directory_;
};

TEST_F(BadHelper, NotThere) {
  refuse("/nowhere/holdfast-helper", {"/nowhere/holdfast-helper"});
}
TEST_F(BadHelper, NotExecutable) {
  refuse("/etc/hostname", {"/etc/hostname"});
}
TEST_F(BadHelper, ExitsAtOnce) {
  refuse(script("exit 3"), {"helper"});
}
TEST_F(BadHelper, SaysWhyItCannotRun) {
  refuse(script("echo 'error while loading shared libraries: libfoo.so' >&2; exit 127"), {"libfoo.so"});
}
TEST_F(BadHelper, IsOfAnotherVersion) {
  refuse(script("echo holdfast-helper 99.0.0 protocol 99"), {"99"});
}

TEST_F(BadHelper, NeverAnswers) {
  const auto start = std::chrono::steady_clock::now();
  refuse(script("exec sleep 60"), {"time"}, 1);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
}

/// It passes the probe and MPI_Init, as a helper has to, but nobody listens.
TEST_F(BadHelper, StartsButNeverListens) {
  const auto start = std::chrono::steady_clock::now();
  refuse(HOLDFAST_DEAF_HELPER, {"helper"}, 2);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST_F(BadHelper, IsNotStartedForATransportThatIsNone) {
  setenv("HOLDFAST_TRANSPORT", "pigeon", 1);
  const std::string text = expect_same_error(
      MPI_COMM_WORLD, ErrorCode::invalid_argument, {"HOLDFAST_TRANSPORT", "pigeon"},
      [&] { Checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt", .launch_timeout_s = 100}); });
  EXPECT_EQ(text.find("Launcher::"), text.npos) << "another launcher would not help";
  unsetenv("HOLDFAST_TRANSPORT");
}

TEST_F(BadHelper, TheNextStartWorks) {
  refuse("/nowhere/holdfast-helper", {"/nowhere"});
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = directory_.path() / "ckpt"});
  std::int64_t value = 1;
  StateDict state;
  state.add("value", value);
  EXPECT_NO_THROW(checkpointer.async_save(1, state).wait());
  checkpointer.close();
}

}  // namespace
}  // namespace holdfast::test
