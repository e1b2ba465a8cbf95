// The program that the first helper runs after each commit (Options::after_commit).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <holdfast/checkpointer.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "storage/directory/catalog.hpp"
#include "support/mpi_fixture.hpp"
#include "support/variable.hpp"

namespace holdfast::test {
namespace {

using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

std::string content_of(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

/// Waits until the condition holds; false after 30 s.
bool comes_true(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    poll(nullptr, 0, 10);
  }
  return true;
}

/// True if the process is gone soon, or waits only to be reaped.
bool ends(int pid) {
  const fs::path stat = "/proc/" + std::to_string(pid) + "/stat";
  return comes_true([&] { return !fs::exists(stat) || content_of(stat).find(") Z ") != std::string::npos; });
}

class AfterCommit : public testing::Test {
 protected:
  void SetUp() override { state_.add("epoch", epoch_); }

  /// Collective. The options for a program that runs `lines` as a shell.
  Options with_program(const std::string& lines) {
    const fs::path program = here_ / "program";
    if (rank_in(MPI_COMM_WORLD) == 0) {
      std::ofstream(program) << "#!/bin/sh\n" << lines << "\n";
      fs::permissions(program, fs::perms::owner_all);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    return {.directory = dir_, .after_commit = {program.string(), here_.string()}};
  }
  void save(Checkpointer& checkpointer, std::int64_t step) { checkpointer.async_save(step, state_).wait(); }
  /// The events of the programs, in order.
  [[nodiscard]] std::vector<nlohmann::json> events() const {
    std::vector<nlohmann::json> all;
    std::ifstream lines(dir_ / "events.jsonl");
    for (std::string line; std::getline(lines, line);)
      if (auto event = nlohmann::json::parse(line); event.at("event") == "after_commit") all.push_back(event);
    return all;
  }
  [[nodiscard]] fs::path file(std::int64_t step) const { return dir_ / storage::file_name(step); }
  [[nodiscard]] std::string noted(const char* name) const { return content_of(here_ / name); }

  SharedDirectory directory_;
  fs::path here_ = directory_.path(), dir_ = here_ / "ckpt";
  std::int64_t epoch_ = 7;
  StateDict state_;
};

TEST_F(AfterCommit, GetsTheFileOfEachCheckpoint) {
  Checkpointer checkpointer(MPI_COMM_WORLD, with_program(R"(test -s "$2" && echo "$2" >> "$1/files")"));
  save(checkpointer, 1);
  save(checkpointer, 2);
  checkpointer.close();
  EXPECT_EQ(noted("files"), file(1).string() + "\n" + file(2).string() + "\n");
  ASSERT_EQ(events().size(), 2u) << "close() did not wait for them";
  EXPECT_EQ(events()[1].at("step"), 2);
  EXPECT_EQ(events()[1].at("file"), file(2).filename().string());
  EXPECT_EQ(events()[1].at("succeeded"), true);
  EXPECT_EQ(events()[1].at("end"), "exit status 0");
}

TEST_F(AfterCommit, IsAProcessOfItsOwn) {
  const mode_t mask = umask(0022);
  umask(mask);
  const std::string program = R"(env > "$1/env"; umask > "$1/umask"; nice > "$1/nice"; ps -o sid= -p $$ > "$1/session"
echo $$ > "$1/pid"; ls -l /proc/$$/fd > "$1/descriptors")";
  Checkpointer checkpointer(MPI_COMM_WORLD, with_program(program));
  save(checkpointer, 1);
  checkpointer.close();
  EXPECT_THAT(noted("env"), HasSubstr("PATH="));
  for (const char* name : {"PMIX_", "OMPI_COMM_WORLD", "OMPI_MCA_ess", "SLURM_STEP"})
    EXPECT_THAT(noted("env"), Not(HasSubstr(name)));
  EXPECT_EQ(std::stoul(noted("umask"), nullptr, 8), mask);
  EXPECT_GT(std::stoi(noted("nice")), getpriority(PRIO_PROCESS, 0));
  EXPECT_EQ(std::stoi(noted("session")), std::stoi(noted("pid")));
  EXPECT_THAT(noted("descriptors"), Not(HasSubstr("socket:")));
}

TEST_F(AfterCommit, FailsNoSave) {
  Checkpointer checkpointer(MPI_COMM_WORLD, with_program("exit 3"));
  EXPECT_NO_THROW(save(checkpointer, 1));
  EXPECT_NO_THROW(checkpointer.close());
  ASSERT_EQ(events().size(), 1u);
  EXPECT_EQ(events()[0].at("succeeded"), false);
  EXPECT_EQ(events()[0].at("end"), "exit status 3");
}

TEST_F(AfterCommit, IsEndedInTimeWithAllThatItStarted) {
  Options options = with_program("trap '' TERM; (trap '' TERM; sleep 1000) & echo $! > \"$1/pid\"; wait");
  options.after_commit_timeout_s = 1;
  Checkpointer checkpointer(MPI_COMM_WORLD, options);
  save(checkpointer, 1);
  checkpointer.close();
  ASSERT_EQ(events().size(), 1u);
  EXPECT_EQ(events()[0].at("end"), "ended after Options::after_commit_timeout_s: killed by signal 9");
  EXPECT_TRUE(ends(std::stoi(noted("pid"))));
}

TEST_F(AfterCommit, LetsCloseReturnInTime) {
  Options options = with_program("exec sleep 1000");
  options.close_timeout_s = 6;
  Checkpointer checkpointer(MPI_COMM_WORLD, options);
  save(checkpointer, 1);
  save(checkpointer, 2);
  EXPECT_NO_THROW(checkpointer.close());
  ASSERT_EQ(events().size(), 2u);
  EXPECT_EQ(events()[0].at("end"), "ended, as the helper had to leave: killed by signal 15");
  EXPECT_EQ(events()[1].at("end"), "not run: the helper had to leave");
}

TEST_F(AfterCommit, KeepsItsFileFromRetention) {
  Options options = with_program("until test -e \"$1/go\"; do sleep 0.02; done");
  options.keep_last = 1;
  Checkpointer checkpointer(MPI_COMM_WORLD, options);
  for (std::int64_t step = 1; step <= 3; ++step) save(checkpointer, step);
  for (std::int64_t step = 1; step <= 3; ++step) EXPECT_TRUE(fs::exists(file(step))) << step;
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank_in(MPI_COMM_WORLD) == 0) std::ofstream(here_ / "go") << "go";
  EXPECT_TRUE(comes_true([&] { return events().size() == 3; }));
  save(checkpointer, 4);
  checkpointer.close();
  for (std::int64_t step = 1; step <= 3; ++step) EXPECT_FALSE(fs::exists(file(step))) << step;
  EXPECT_TRUE(fs::exists(file(4)));
}

TEST_F(AfterCommit, IsTheEnvironmentsToSay) {
  const Options options = with_program(R"(echo "$@" > "$1/words")");
  const nlohmann::json words = {options.after_commit[0], here_.string(), "two words"};
  const Variable variable("HOLDFAST_AFTER_COMMIT", words.dump().c_str());
  Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_});
  save(checkpointer, 1);
  checkpointer.close();
  EXPECT_EQ(noted("words"), here_.string() + " two words " + file(1).string() + "\n");
}

TEST_F(AfterCommit, IsLookedForAtTheStart) {
  for (const std::string& program : {std::string("holdfast-no-such-program"), (here_ / "none").string()})
    expect_same_error(MPI_COMM_WORLD, ErrorCode::invalid_argument, {program, "Options::after_commit"}, [&] {
      const Checkpointer checkpointer(MPI_COMM_WORLD, {.directory = dir_, .after_commit = {program}});
    });
}

}  // namespace
}  // namespace holdfast::test
