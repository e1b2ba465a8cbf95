#include "base/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <holdfast/log.hpp>
#include <stdexcept>

#include "base/error_text.hpp"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

void one_line_per_level() {
  log::debug("line {}", 1);
  log::info("line {}", 2);
  log::warning("line {}", 3);
  log::error("line {}", 4);
}

/// The level is read once per process, so each level is tried in a process of its own.
[[noreturn]] void log_and_exit(const char* level) {
  setenv("HOLDFAST_LOG", level, 1);
  one_line_per_level();
  std::exit(0);
}

class LogDeathTest : public testing::Test {
 protected:
  LogDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

TEST_F(LogDeathTest, ShowsWarningsUnlessToldOtherwise) {
  EXPECT_EXIT((unsetenv("HOLDFAST_LOG"), one_line_per_level(), std::exit(0)), testing::ExitedWithCode(0),
              AllOf(Not(HasSubstr("line 2")), HasSubstr("warning: line 3\n"), HasSubstr("error: line 4\n")));
}

TEST_F(LogDeathTest, LevelComesFromTheEnvironment) {
  EXPECT_EXIT(log_and_exit("debug"), testing::ExitedWithCode(0),
              AllOf(HasSubstr("debug: line 1\n"), HasSubstr("error: line 4\n")));
  EXPECT_EXIT(log_and_exit("error"), testing::ExitedWithCode(0), AllOf(Not(HasSubstr("line 3")), HasSubstr("line 4")));
  EXPECT_EXIT(log_and_exit("off"), testing::ExitedWithCode(0), Not(HasSubstr("line")));
  EXPECT_EXIT(log_and_exit("nonsense"), testing::ExitedWithCode(0),
              AllOf(Not(HasSubstr("line 2")), HasSubstr("line 3")));
}

TEST(Log, SaysWhoWrites) {
  testing::internal::CaptureStderr();
  log::error("{} of {}", 3, "four");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            fmt::format("holdfast[{} {}] error: 3 of four\n", host_name(), getpid()));
}

TEST(Log, LinesGoToTheProgramsFunctionIfItHasOne) {
  std::vector<std::string> lines;
  set_log_function([&](LogLevel level, std::string_view line) {
    lines.push_back(std::to_string(static_cast<int>(level)) + " " + std::string(line));
    if (lines.size() == 2) throw std::runtime_error("a line that is not taken");
  });
  testing::internal::CaptureStderr();
  log::warning("number {}", 7);
  log::error("two");
  log::debug("below the level");
  set_log_function({});
  log::warning("to stderr again");
  EXPECT_EQ(lines, (std::vector<std::string>{"2 number 7", "3 two"}));
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("number"), text.npos);
  EXPECT_NE(text.find("to stderr again"), text.npos);
}

}  // namespace
}  // namespace holdfast
